"""What sequential change detectors keep: memories that only a fold changes, quiet without and alarm with a change."""

from __future__ import annotations

from vedette.testing.checks._table import check
from vedette.testing.lab import Lab, json_text, require, same, size, through_bytes
from vedette_specs import ChangeDetector, Folded, Memory, Tick

TICKS = 20
ROWS = 200


def _fold(lab: Lab, detector: ChangeDetector, memory: Memory, tick: int, shift: float = 0.0) -> Folded:
    rows = lab.traffic(ROWS, seed=1000 + tick, shift=shift)
    state = detector.add(detector.create(), rows)
    return detector.fold(memory, state, Tick(float(tick), tick + 1.0, seed=tick))


@check(ChangeDetector)
def no_alarm_without_change(lab: Lab) -> None:
    """4000 rows of the reference's own distribution raise no alarm."""
    detector = lab.ready()
    memory = detector.start()
    for tick in range(TICKS):
        folded = _fold(lab, detector, memory, tick)
        require(not folded.result.values["alarm"], f"alarm after {tick + 1} ticks without a change")
        memory = folded.memory


@check(ChangeDetector)
def alarm_after_a_change(lab: Lab) -> None:
    """After a shift of two standard deviations there is an alarm within 4000 rows."""
    detector = lab.ready()
    memory = detector.start()
    for tick in range(TICKS):
        folded = _fold(lab, detector, memory, tick, shift=2.0)
        json_text(folded.result.to_json())
        if folded.result.values["alarm"]:
            return
        memory = folded.memory
    require(False, f"no alarm within {TICKS * ROWS} shifted rows")


@check(ChangeDetector)
def fold_leaves_its_arguments(lab: Lab) -> None:
    """A fold can be done again: it changes neither memory nor state, and gives the same."""
    detector = lab.ready()
    memory = _fold(lab, detector, detector.start(), 0).memory
    state = detector.add(detector.create(), lab.traffic(ROWS))
    before = through_bytes({"memory": memory, "state": state})
    tick = Tick(1.0, 2.0, seed=1)
    first = detector.fold(memory, state, tick)
    second = detector.fold(memory, state, tick)
    third = detector.fold(before["memory"], before["state"], tick)
    for other, what in ((second, "a second fold differs"), (third, "fold changes its arguments")):
        same(other.result.to_json(), first.result.to_json(), 0.0, what)
        same(dict(other.scores), dict(first.scores), 0.0, what)


@check(ChangeDetector)
def memory_of_folds_is_bounded(lab: Lab) -> None:
    """A detector's memory does not grow with the ticks that it has folded."""
    detector = lab.ready()
    memory = detector.start()
    early = 0
    for tick in range(60):
        memory = _fold(lab, detector, memory, tick).memory
        early = size(memory) if tick == 2 else early
    require(size(memory) <= 2 * early + 4096, f"3 ticks make {early} bytes of memory, 60 ticks {size(memory)}")
