"""How many replicas the policy asks for, as Serve calls it, and what a replica reports to it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own imports use what pydantic has deprecated
    from ray.serve._private.common import DeploymentID, ReplicaID
    from ray.serve.autoscaling_policy import _apply_autoscaling_config
    from ray.serve.config import AutoscalingConfig, AutoscalingContext

from vedette.config.plan import PoolSpec
from vedette_rayserve.app import ONGOING, Delays, scaling
from vedette_rayserve.autoscaling import BUSY, POLICY, by_lag
from vedette_rayserve.meter import Meter

POOL = DeploymentID("Pool-heavy", "m-vedette")
TARGET = ONGOING / 4


def context(
    replicas: int = 1,
    requests: float = 0.0,
    lag: list[float] | None = None,
    busy: list[float] | None = None,
    target: int | None = None,
    **config: Any,
) -> AutoscalingContext:
    """What Serve's controller shows. lag, busy: reports of some of the replicas."""
    ids = [ReplicaID(str(i), POOL) for i in range(replicas)]
    said = {
        name: dict(zip(ids, values, strict=False))
        for name, values in (("lag", lag), ("busy", busy))
        if values is not None
    }
    options = dict(scaling(PoolSpec("heavy", 0, 8), Delays())["autoscaling_config"])
    return AutoscalingContext(
        deployment_id=POOL,
        deployment_name=POOL.name,
        app_name=POOL.app_name,
        current_num_replicas=replicas,
        target_num_replicas=replicas if target is None else target,
        running_replicas=ids,
        total_num_requests=requests,
        total_queued_requests=0.0,
        aggregated_metrics=lambda: said,
        raw_metrics={},
        capacity_adjusted_min_replicas=0,
        capacity_adjusted_max_replicas=8,
        policy_state={},
        last_scale_up_time=None,
        last_scale_down_time=None,
        current_time=0.0,
        config=AutoscalingConfig(**{**options, **config}),
    )


def wanted(**shown: Any) -> int:
    """What Serve makes of the policy's answer where nothing is delayed."""
    policy = _apply_autoscaling_config(by_lag)
    decided, _ = policy(context(**shown, upscale_delay_s=0.0, downscale_delay_s=0.0))
    return decided


@pytest.mark.parametrize(
    ("shown", "replicas"),
    [
        ({"requests": 0.0}, 0),
        ({"requests": 0.01}, 1),
        ({"requests": TARGET}, 1),
        ({"requests": TARGET * 3}, 3),
        ({"requests": 1.0, "lag": [TARGET * 2]}, 2),  # the handles' report was lost, the replica's was not
        ({"replicas": 2, "lag": [TARGET, TARGET * 2]}, 3),
        ({"replicas": 3, "requests": TARGET * 3, "lag": [TARGET] * 3}, 3),  # the same messages, seen twice
        ({"requests": 1.0, "busy": [1.0]}, 2),  # one producer, and the replica cannot keep up with it
        ({"requests": 1.0, "busy": [BUSY]}, 1),
        ({"replicas": 2, "requests": 1.0, "busy": [0.5, 0.5]}, 2),
        ({"replicas": 2, "requests": 1.0, "busy": [0.3, 0.3]}, 1),
        ({"replicas": 4, "requests": 4.0, "busy": [1.0, 1.0, 1.0]}, 5),  # one has not reported yet
    ],
)
def test_replicas_wanted(shown: dict[str, Any], replicas: int) -> None:
    assert wanted(**shown) == replicas


def test_pool_at_zero_is_woken_by_a_request_and_by_nothing_else() -> None:
    assert wanted(replicas=0, requests=0.0) == 0
    assert wanted(replicas=0, requests=1.0) == 1
    assert wanted(replicas=0, requests=0.0, target=1) == 1  # it is starting: the request that woke it was taken back


def test_delays_are_those_of_serve() -> None:
    policy = _apply_autoscaling_config(by_lag)
    decided, state = policy(context(busy=[1.0]))
    assert decided == 1  # not before it has been so for some seconds
    assert any(state.values())


@given(
    replicas=st.integers(1, 8),
    requests=st.just(0.0) | st.floats(0.001, 500),
    more=st.floats(0, 100),
    busy=st.lists(st.just(0.0) | st.floats(0.001, 1), max_size=8),
)
def test_more_load_never_asks_for_fewer(replicas: int, requests: float, more: float, busy: list[float]) -> None:
    little, _ = by_lag(context(replicas, requests, [requests], busy))
    much, _ = by_lag(context(replicas, requests + more, [requests + more], [1.0] * len(busy)))
    assert much >= little >= 0
    assert much >= (requests + more) / TARGET
    assert (little == 0) == (requests == 0 and sum(busy[:replicas]) == 0)


def test_controller_needs_no_vedette(tmp_path: Path) -> None:
    """A controller's environment is not the application's: the policy travels by value."""
    config = AutoscalingConfig(**scaling(PoolSpec("p", 0, 4), Delays())["autoscaling_config"])
    assert config.policy.policy_function == POLICY
    (tmp_path / "policy").write_bytes(config.policy.get_serialized_policy_def() or b"")
    code = (
        "import sys; sys.modules['vedette_rayserve'] = sys.modules['vedette'] = None\n"
        "from types import SimpleNamespace as N\n"
        "from ray import cloudpickle\n"
        "policy = cloudpickle.loads(open(sys.argv[1], 'rb').read())\n"
        "asked = N(current_num_replicas=1, aggregated_metrics={}, total_num_requests=8.0,\n"
        "          config=N(get_target_ongoing_requests=lambda: 4.0))\n"
        "assert policy(asked) == (2.0, {})\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "policy")], check=True, timeout=60)


def test_settings_of_the_monitors_application() -> None:
    assert scaling(PoolSpec("p", 2, 2), Delays()) == {"num_replicas": 2}
    config = scaling(PoolSpec("p", 0, 4), Delays(downscale_delay_s=5.0))["autoscaling_config"]
    assert (config["min_replicas"], config["initial_replicas"], config["max_replicas"]) == (0, 0, 4)
    assert (config["upscale_delay_s"], config["downscale_delay_s"]) == (3.0, 5.0)
    with pytest.raises(ValidationError, match="downscale_delay"):
        Delays(downscale_delay=5.0)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="look_back_period_s"):
        Delays(look_back_period_s=5.0)  # Serve's handles report every 10 s


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_meter_counts_time_with_work_once() -> None:
    clock = Clock()
    meter = Meter(clock)
    assert meter.share() == 0.0
    clock.now = 1.0
    with meter.work():
        clock.now = 2.0
        with meter.work():  # beside the first
            clock.now = 3.0
    clock.now = 4.0
    assert meter.share() == 0.5
    assert meter.share() == 0.0  # no time has passed
    clock.now = 5.0
    assert meter.share() == 0.0


def test_meter_sees_work_that_is_not_done() -> None:
    clock = Clock()
    meter = Meter(clock)
    with meter.work():
        for now in (1.0, 2.0):
            clock.now = now
            assert meter.share() == 1.0
        clock.now = 3.0
    clock.now = 4.0
    assert meter.share() == 0.5


def test_meter_outlives_work_that_fails() -> None:
    clock = Clock()
    meter = Meter(clock)

    def fail() -> None:
        with meter.work():
            clock.now = 1.0
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    clock.now = 2.0
    assert meter.share() == 0.5
    clock.now = 3.0
    assert meter.share() == 0.0
