"""The tap's thread makes room for the model's, and keeps its own share of a busy process."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vedette.engine.tap import turns
from vedette.engine.tap.turns import PAUSE, SHORTEST, Turn


def test_pauses_come_after_work_and_last_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(clock[0])
        clock[0] += seconds

    monkeypatch.setattr(turns.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(turns.time, "sleep", sleep)
    turn = Turn(1.0)
    for _ in range(100):
        clock[0] += SHORTEST / 10
        turn.let_others_in()
    assert 8 <= len(slept) <= 10
    assert min(b - a for a, b in pairwise(slept)) >= SHORTEST


@pytest.mark.parametrize(("share", "least"), [(1.0, 0.45), (0.25, 0.18)])
def test_a_turn_is_measured_by_the_pause_before_it(share: float, least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where others hold Python's lock, a pause of 50 us takes 5 ms: with turns of 0.2 ms the tap would have 4 %."""
    clock, worked, late = [0.0], [0.0], 0.005

    def sleep(seconds: float) -> None:
        clock[0] += late

    monkeypatch.setattr(turns.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(turns.time, "sleep", sleep)
    turn = Turn(share)
    while clock[0] < 1.0:
        clock[0] += SHORTEST / 4
        worked[0] += SHORTEST / 4
        turn.let_others_in()
    assert worked[0] / clock[0] > least
    assert late > PAUSE
