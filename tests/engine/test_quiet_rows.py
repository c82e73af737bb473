"""While a change lasts a sequential detector alarms again and again: that is one alert, not a flood."""

from __future__ import annotations

import numpy as np
from tests.engine.traffic import AlertSpec

from vedette.engine.reduce.alerts import advance
from vedette.store.results import AlertState

RULE = AlertSpec("shift", "alarm", "shift")


def run(alarms: list[bool], rows: int = 100, quiet_rows: int = 1000) -> list[str]:
    state, changes = AlertState(), []
    for tick, alarm in enumerate(alarms):
        state, change = advance(state, alarm, float(tick), RULE, rows, quiet_rows)
        if change is not None:
            changes.append(f"{change}@{tick}")
    return changes


def test_alarms_within_the_quiet_stretch_are_one_alert() -> None:
    assert run([False, True, False, False, True, False, True, *[False] * 20]) == ["firing@1", "resolved@16"]


def test_alarms_further_apart_are_two() -> None:
    assert run([True, *[False] * 10, True]) == ["firing@0", "resolved@10", "firing@11"]


def test_without_a_quiet_stretch_every_alarm_is_an_alert() -> None:
    assert run([True, False, True, False], quiet_rows=0) == ["firing@0", "resolved@1", "firing@2", "resolved@3"]


def test_ticks_without_rows_are_no_quiet() -> None:
    state = AlertState("firing", 0.0, 1, 0.0)
    for tick in range(1, 50):
        state, change = advance(state, False, float(tick), RULE, 0, 1000)
        assert change is None
    assert state.state == "firing"


def test_unknown_neither_advances_nor_resets_the_quiet_stretch() -> None:
    state = AlertState("firing", 0.0, 1, 0.0, 900)
    state, change = advance(state, None, 1.0, RULE, 500, 1000)
    assert (state.quiet, change) == (900, None)


def test_firing_never_depends_on_how_rows_fall_into_ticks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        alarms = (rng.random(100) < 0.1).tolist()
        firing = [c for c in run(alarms) if c.startswith("firing")]
        assert len(firing) == len([c for c in run(alarms) if c.startswith("resolved")]) + (1 if _open(alarms) else 0)


def _open(alarms: list[bool]) -> bool:
    """Whether the last alarm is less than the quiet stretch ago."""
    return True in alarms[-10:]
