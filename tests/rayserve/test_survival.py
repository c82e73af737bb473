"""The model on a real cluster while its monitors are absent, stopped, slow, raising and dying: it notices nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.rayserve.kill_model import FEATURES
from tests.rayserve.killing import wait_for
from tests.rayserve.surviving import BUFFER_BYTES, BUFFER_ROWS, LARGE, SMALL, Load, Survival, resident, survive

from vedette.testing.platforms.moody import POISON, SLOW
from vedette_rayserve.local import LocalRay

pytestmark = pytest.mark.ray
GROWTH = 24 << 20  # bytes that a model's process may grow by while three times as much is offered to its tap


@pytest.fixture(scope="module")
def survival(cluster: LocalRay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survival]:
    made = survive(cluster, tmp_path_factory.mktemp("survival"))
    yield made
    made.close()


def missing(survival: Survival, load: Load) -> int:
    """Rows that were predicted and are not in the store."""
    return load.total - sum(survival.stored(load).values())


def dropped_rows(survival: Survival, size: int) -> float:
    """Rows that taps say they dropped, where the calls they dropped before reading them had `size` rows."""
    said = survival.metrics()
    return said["vedette_dropped_rows_total"] + size * said["vedette_dropped_calls_total"]


def complete(survival: Survival, load: Load) -> bool:
    return survival.stored(load) == load.rows


def told(survival: Survival, size: int) -> float:
    """The same after a new request of the frail model, since a tap tells its counts with its rows."""
    survival.frail.send(1)
    wait_for(lambda: newest(survival, survival.frail), what="the new request")
    return dropped_rows(survival, size)


def newest(survival: Survival, load: Load) -> bool:
    """Whether all rows of the last request are there."""
    name = f"{load.name}-{len(load.rows) - 1}"
    return survival.stored(load).get(name) == load.rows[name]


def bounded(survival: Survival, load: Load) -> None:
    peak = survival.peak(load)
    assert peak["rows"] <= BUFFER_ROWS
    assert peak["bytes"] <= BUFFER_BYTES


def test_monitors_that_do_not_exist_cost_a_bounded_buffer(survival: Survival) -> None:
    frail, sturdy = survival.frail, survival.sturdy
    survival.stop_monitors()
    frail.send(16, LARGE)  # the buffer is full
    before = resident(survival.model_pid(frail))
    frail.send(120, LARGE)
    assert resident(survival.model_pid(frail)) - before < GROWTH
    sturdy.send(40)
    for load in (frail, sturdy):
        load.check(patience=1.0)
        bounded(survival, load)
    assert survival.peak(frail)["bytes"] > BUFFER_BYTES / 2

    survival.start_monitors()
    wait_for(lambda: complete(survival, sturdy), what="all rows of the model whose buffer sufficed")
    wait_for(lambda: told(survival, LARGE) == missing(survival, frail), what="what is missing was told as dropped")
    assert survival.metrics()["vedette_dropped_calls_total"] >= 100
    assert frail.failures == []


def test_monitors_that_are_stopped_and_come_back(survival: Survival) -> None:
    frail, sturdy = survival.frail, survival.sturdy
    survival.start_monitors()
    for load in (frail, sturdy):
        load.send(4)
    wait_for(lambda: complete(survival, sturdy) and newest(survival, frail), what="the taps know their monitors")
    lost, before = missing(survival, frail), dropped_rows(survival, SMALL)

    survival.stop_monitors()
    for load in (frail, sturdy):
        load.send(3 * BUFFER_ROWS // SMALL)
        load.check(patience=1.0)
        bounded(survival, load)

    survival.start_monitors()
    wait_for(lambda: complete(survival, sturdy), what="all rows of the model with a spool")
    wait_for(
        lambda: told(survival, SMALL) - before == missing(survival, frail) - lost,
        what="what is missing was told as dropped",
    )
    assert missing(survival, frail) - lost >= BUFFER_ROWS
    assert survival.wait_counted(0) == sum(sum(survival.stored(load).values()) for load in (frail, sturdy))


def test_component_that_takes_two_seconds_a_batch(survival: Survival) -> None:
    sturdy = survival.sturdy
    survival.start_monitors()
    sturdy.send(1)
    survival.mood("sleepy", "slow")
    try:
        sturdy.send(80, every=0.2)
        assert not complete(survival, sturdy), "the monitors were slow indeed"
    finally:
        survival.mood("sleepy", "good")
    sturdy.check(patience=SLOW / 2)
    bounded(survival, sturdy)
    wait_for(lambda: complete(survival, sturdy), what="all rows of the model with a spool")


def test_component_that_raises_is_quarantined_and_the_others_go_on(survival: Survival) -> None:
    sturdy = survival.sturdy
    survival.start_monitors()
    sturdy.send(4)
    wait_for(lambda: complete(survival, sturdy))
    before = survival.wait_counted(0)
    survival.mood("raising", "raise")
    try:
        sturdy.send(20)
        sturdy.check(patience=1.0)
        assert survival.wait_counted(before + 20 * SMALL) == before + 20 * SMALL
        raising = wait_for(
            lambda: next((m for m in [survival.monitor("raising")] if m["status"] == "quarantined"), None)
        )
        assert raising["reason"] == "ZeroDivisionError: told to raise"
        assert raising["rows"] + raising["missing_rows"] == before + 20 * SMALL
        assert raising["missing_rows"] >= 20 * SMALL
        for name in ("quality", "sleepy", "deadly"):
            assert survival.monitor(name)["status"] == "active"
            assert survival.monitor(name)["missing_rows"] == 0
            assert survival.monitor(name)["rows"] == before + 20 * SMALL
    finally:
        survival.mood("raising", "good")
    assert complete(survival, sturdy)


@pytest.mark.slow
def test_batch_that_kills_three_workers_is_parked_and_its_neighbours_are_counted(survival: Survival) -> None:
    sturdy = survival.sturdy
    survival.start_monitors()
    sturdy.send(4)
    wait_for(lambda: complete(survival, sturdy))
    before = survival.wait_counted(0)
    seen = wait_for(lambda: pids if len(pids := survival.pool_pids()) == 2 else None, what="both replicas")
    survival.mood("deadly", "die")
    try:
        sturdy.send(10)
        time.sleep(0.5)  # so that the poisoned request is a batch of its own
        poisoned = sturdy.body(1).replace(b"[[", b"[[" + str(POISON).encode() + b", ").rpartition(b", ")[0] + b"]]}"
        assert poisoned.count(b",") == len(FEATURES) - 1
        sturdy.post("poison-0", poisoned)
        time.sleep(0.5)
        sturdy.send(20, every=0.2)

        def parked() -> bool:
            seen.update(survival.pool_pids())
            return survival.service.counters()["poisoned_batches"] == 1

        wait_for(parked, 120.0, f"a parked batch: {survival.service.counters()}")
        sturdy.send(10)
        assert survival.wait_counted(before + 40 * SMALL) == before + 40 * SMALL
    finally:
        survival.mood("deadly", "good")
    sturdy.check(patience=1.0)
    bounded(survival, sturdy)
    assert len(seen - survival.pool_pids()) == 3, "it killed three workers and no fourth"
    assert survival.metrics()["vedette_poisoned_rows"] == 1
    wait_for(lambda: complete(survival, sturdy), what="all rows but the poisoned one")
