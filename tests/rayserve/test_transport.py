"""Messages by deployment handle, on a real cluster, from threads as the tap has them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ray import serve
from ray.serve._private import constants
from ray.serve.handle import DeploymentHandle
from tests.rayserve.recording import PLAN, recording_monitors

from vedette.engine.message import Message
from vedette.engine.tap.transport import Busy, Refused, TransportError
from vedette_rayserve.graph import UnsupportedRay, for_threads
from vedette_rayserve.local import LocalRay
from vedette_rayserve.names import CONTROL, pool_deployment
from vedette_rayserve.transport import RayTransport

pytestmark = pytest.mark.ray
MESSAGE = Message("p", 1, 0.0).to_bytes()


@serve.deployment(ray_actor_options={"num_cpus": 0.1})
class InReplica:
    """Uses the transport from a thread of its own, beside the replica's event loops, as the tap does."""

    def option(self) -> bool:
        """Whether handles of this replica can be used from threads unless told otherwise."""
        return bool(constants.RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP)

    def send(self, monitors: str, count: int) -> list[str]:
        done: list[str] = []

        def run() -> None:
            transport = RayTransport(monitors)
            done.append(transport.describe().digest)
            for number in range(count):
                transport.send("default", Message("replica", number + 1, 0.0).to_bytes(), 5.0)
            done.append("sent")

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(30.0)
        return done


@pytest.fixture(scope="module")
def monitors(cluster: LocalRay) -> Iterator[str]:
    serve.run(recording_monitors(), name="recording-vedette", route_prefix="/vedette/recording")
    yield "recording-vedette"
    serve.delete("recording-vedette")


@pytest.fixture
def pool(monitors: str) -> Iterator[Any]:
    handle = serve.get_deployment_handle(pool_deployment("default"), app_name=monitors)
    yield handle
    handle.behave.remote("good").result(timeout_s=10)


def test_describe_and_send(monitors: str, pool: Any) -> None:
    transport = RayTransport(monitors)
    assert transport.describe() == PLAN
    transport.send("default", MESSAGE, 5.0)
    assert MESSAGE in pool.kept.remote().result(timeout_s=5)


def test_threads_of_a_replica_can_send(monitors: str, pool: Any) -> None:
    handle = serve.run(InReplica.bind(), name="sender", route_prefix=None)
    assert handle.send.remote(monitors, 20).result(timeout_s=30) == [PLAN.digest, "sent"]
    kept = [Message.from_bytes(m) for m in pool.kept.remote().result(timeout_s=5)]
    assert [m.seq for m in kept if m.producer == "replica"] == list(range(1, 21))
    serve.delete("sender")


def test_threads_of_a_replica_whose_handles_are_bound_to_its_loop_can_send(monitors: str, pool: Any) -> None:
    """Ray's own handles cannot be used from threads with this option, nor with RAY_SERVE_THROUGHPUT_OPTIMIZED."""
    environment = {"env_vars": {"RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0"}}
    replica = InReplica.options(name="Bound", ray_actor_options={"num_cpus": 0.1, "runtime_env": environment})
    handle = serve.run(replica.bind(), name="bound", route_prefix=None)
    assert handle.option.remote().result(timeout_s=30) is False
    before = len(pool.kept.remote().result(timeout_s=5))
    assert handle.send.remote(monitors, 5).result(timeout_s=30) == [PLAN.digest, "sent"]
    assert len(pool.kept.remote().result(timeout_s=5)) == before + 5
    serve.delete("bound")


def test_handle_that_is_bound_to_a_loop_is_refused(monitors: str) -> None:
    async def bound() -> None:
        handle = DeploymentHandle(CONTROL, monitors)
        handle._init(_run_router_in_separate_loop=False)
        with pytest.raises(UnsupportedRay, match=f"'{CONTROL}' is bound to an event loop"):
            for_threads(handle)
        await handle.shutdown_async()

    asyncio.run(bound())


def test_busy_pool_says_when_to_come_back(monitors: str, pool: Any) -> None:
    pool.behave.remote("busy").result(timeout_s=5)
    with pytest.raises(Busy) as caught:
        RayTransport(monitors).send("default", MESSAGE, 5.0)
    assert caught.value.retry_after == 0.1


def test_slow_pool_is_given_up_in_time_and_may_have_got_the_message(monitors: str, pool: Any) -> None:
    pool.behave.remote("slow").result(timeout_s=5)
    before = time.monotonic()
    with pytest.raises(TransportError, match=r"did not answer within 0\.5 s") as caught:
        RayTransport(monitors).send("default", MESSAGE, 0.5)
    assert time.monotonic() - before < 2.0
    assert caught.value.arrived


def test_full_queue_is_busy(monitors: str, pool: Any) -> None:
    pool.behave.remote("slow").result(timeout_s=5)
    transport = RayTransport(monitors)
    errors: list[Exception] = []

    def send() -> None:
        try:
            transport.send("default", MESSAGE, 1.0)
        except TransportError as error:
            errors.append(error)

    threads = [threading.Thread(target=send) for _ in range(40)]  # 8 run, 8 wait
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)
    assert any(isinstance(error, Busy) for error in errors)


def test_damaged_message_is_refused_for_good(monitors: str, pool: Any) -> None:
    with pytest.raises(Refused, match="CodecError"):
        RayTransport(monitors).send("default", b"no message", 5.0)


@pytest.mark.parametrize(("app", "pool_name"), [("nobody-vedette", "default"), ("recording-vedette", "absent")])
def test_absent_application_or_pool(monitors: str, app: str, pool_name: str) -> None:
    transport = RayTransport(app)
    with pytest.raises(TransportError, match="does not exist") as caught:
        transport.send(pool_name, MESSAGE, 5.0)
    assert not caught.value.arrived


def test_monitors_that_come_late_are_found(cluster: LocalRay) -> None:
    transport = RayTransport("late-vedette")
    with pytest.raises(TransportError):
        transport.describe()
    serve.run(recording_monitors(), name="late-vedette", route_prefix="/vedette/late")
    assert transport.describe() == PLAN
    serve.delete("late-vedette")
    with pytest.raises(TransportError):
        transport.send("default", MESSAGE, 3.0)
    serve.run(recording_monitors(), name="late-vedette", route_prefix="/vedette/late")
    transport.send("default", MESSAGE, 10.0)
    serve.delete("late-vedette")
