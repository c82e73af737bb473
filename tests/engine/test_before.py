"""before(x, d): the latest window that ended so long before, and nothing from the other side of a pause."""

from __future__ import annotations

import pytest
from tests.engine.harness import Harness
from tests.engine.traffic import metric, monitor, plan_of, tumbling

from vedette.config.plan import AlertSpec

JUMP = AlertSpec("jump", 'mean("x") - before(mean("x"), 1m) > 3', "stats")


def make() -> Harness:
    return Harness(plan_of(monitor("stats", metric("moments"), windows=[tumbling(60.0)], alert=JUMP)))


def minutes(engine: Harness, n: int, shift: float) -> None:
    for _ in range(n):
        engine.send(20, shift=shift)
        engine.time(60.0)
        engine.reduce(engine.store.time)


def test_a_jump_from_one_window_to_the_next_is_seen() -> None:
    engine = make()
    minutes(engine, 3, 0.0)
    minutes(engine, 1, 9.0)
    assert engine.live() == [("jump", "firing")]
    minutes(engine, 1, 9.0)
    assert engine.live() == []


@pytest.mark.parametrize("pause", [3600.0, 30 * 86_400.0])
def test_a_window_from_before_a_pause_is_no_window_of_a_minute_ago(pause: float) -> None:
    engine = make()
    minutes(engine, 3, 0.0)
    engine.time(pause)
    minutes(engine, 1, 9.0)
    assert engine.alerts() == []
