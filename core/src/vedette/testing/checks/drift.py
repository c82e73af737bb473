"""What drift detectors keep."""

from __future__ import annotations

from vedette.testing.checks._table import check
from vedette.testing.lab import CONTEXT, Lab, require
from vedette_specs import DriftDetector, Verdict

WINDOWS = 20
MOST_ALARMS = 5  # of 20 windows without drift: at a level of 5 %, more than these have probability 3e-4


@check(DriftDetector)
def quiet_on_the_reference(lab: Lab) -> None:
    """Windows from the reference's own distribution are rarely called drifted."""
    detector = lab.ready()
    alarms = sum(bool(_verdict(detector, lab, 0.0, seed).drifted) for seed in range(100, 100 + WINDOWS))
    require(alarms <= MOST_ALARMS, f"{alarms} of {WINDOWS} windows without drift are called drifted")


@check(DriftDetector)
def fires_on_a_shift(lab: Lab) -> None:
    """Two standard deviations and other category shares are called drift, and the verdict says where."""
    verdict = _verdict(lab.ready(), lab, 2.0, seed=3)
    require(verdict.drifted is True, "a shift of two standard deviations is not called drift")
    require(verdict.values.get("drifted") == 1.0, f"values.drifted is {verdict.values.get('drifted')!r}")
    known = set(lab.reference.inputs)
    named = {feature.feature for feature in verdict.features if feature.drifted}
    require(not named or bool(named & known) or len(verdict.features) == 1, f"the drifted features {named} are unknown")


def _verdict(detector: DriftDetector, lab: Lab, shift: float, seed: int) -> Verdict:
    state = detector.add(detector.create(), lab.traffic(400, seed=seed, shift=shift))
    verdict = detector.result(state, CONTEXT)
    require(isinstance(verdict, Verdict), f"result gives a {type(verdict).__name__}, not a Verdict")
    require(verdict.n == 400, f"a window of 400 rows has n = {verdict.n}")
    for p in [verdict.p_value, *(feature.p_value for feature in verdict.features)]:
        require(p is None or 0.0 <= p <= 1.0, f"a p-value is {p}")
    return verdict
