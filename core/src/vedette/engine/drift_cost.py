"""What drift of a size has cost before: an isotonic map from a drift value to a realised one, with a conformal band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from vedette.config import rules
from vedette.config.faults import did_you_mean
from vedette.config.plan import Plan
from vedette.config.rules_tree import Value
from vedette.engine.reduce.alerts import pick
from vedette.store import results
from vedette.store.results import StoredResult
from vedette_specs import Floats

FEWEST = 10  # pairs of windows that a map is made of
MOST = 2000  # the latest pairs: each is left out once


@dataclass(frozen=True)
class DriftCost:
    """drift, loss: (n,) values of n windows, by ascending drift.  fitted: (n,) the monotone map at these.

    rising: whether the loss rises with the drift; an accuracy falls.  level: of the band.
    """

    drift: Floats
    loss: Floats
    fitted: Floats
    left_out: Floats  # (n, n): row i the map without window i, at all windows
    rising: bool
    level: float

    def at(self, drift: float) -> tuple[float, float, float]:
        """(expected value, lower and upper end of the band) of a new window with this drift.

        The band holds the realised value of a new window in `level` of the cases where windows are exchangeable
        (jackknife-minmax: Barber, Candes, Ramdas, Tibshirani, "Predictive inference with the jackknife+", 2021).
        Beyond the drift that was seen, the map goes on level.
        """
        own = np.abs(self.loss - np.diagonal(self.left_out))
        rank = min(len(own), int(np.ceil(self.level * (len(own) + 1))))
        reach = float(np.sort(own)[rank - 1]) if self.level * (len(own) + 1) <= len(own) else float("inf")
        others = [float(np.interp(drift, self.drift, row)) for row in self.left_out]
        return float(np.interp(drift, self.drift, self.fitted)), min(others) - reach, max(others) + reach


def fit_drift_cost(drift: Floats, loss: Floats, level: float = 0.9) -> DriftCost:
    """drift, loss: (n,) finite. Raises ValueError where there are too few, or all drift is alike."""
    if len(drift) < FEWEST:
        raise ValueError(f"{len(drift)} windows have both values; a map needs {FEWEST} or more")
    if np.ptp(drift) == 0.0:
        raise ValueError(f"the drift is {drift[0]:g} in all {len(drift)} windows: there is nothing to learn from")
    order = np.argsort(drift, kind="stable")
    x, y = drift[order], loss[order]
    ranks = [np.unique(v, return_inverse=True)[1].astype(float) for v in (x, y)]
    rising = bool(((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())).sum() >= 0.0)
    everyone = np.arange(len(x))
    rows = [_map(x[everyone != i], y[everyone != i], x, rising) for i in everyone]
    return DriftCost(x, y, _map(x, y, x, rising), np.array(rows), rising, level)


def _map(x: Floats, y: Floats, at: Floats, rising: bool) -> Floats:
    """Isotonic regression, level beyond its ends."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(increasing=rising, out_of_bounds="clip").fit(x, y)
    return np.asarray(fitted.predict(at), dtype=np.float64)


def read_pairs(connection: Connection, plan: Plan, drift: str, loss: str) -> tuple[Floats, Floats]:
    """(n,) values of two monitors: of every mature window of the second, and of the last one of the first that ended by
    then and overlaps it.

    drift, loss: as in rules, `drift.statistic("age")`.  Raises ValueError where one is no such name.
    """
    one, other = _named(drift, plan), _named(loss, plan)
    first = _known(connection, plan, one)
    pairs = []
    ends = np.array([result.end for result, _ in first])
    for result, value in _known(connection, plan, other):
        place = int(np.searchsorted(ends, result.end, side="right")) - 1
        if place >= 0 and first[place][0].end > result.start:
            pairs.append((first[place][1], value))
    found = np.array(pairs[-MOST:], dtype=np.float64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _named(text: str, plan: Plan) -> Value:
    root = rules.parse(text).root
    if not isinstance(root, Value) or len(root.path) != 2:
        raise ValueError(f'{text!r} is no value of a monitor; write monitor.value, as in drift.statistic("age")')
    known = [monitor.name for monitor in plan.monitors if monitor.windows]
    if root.path[0] not in known:
        raise ValueError(f"there is no monitor {root.path[0]!r} with windows{did_you_mean(root.path[0], known)}")
    return root


def _known(connection: Connection, plan: Plan, name: Value) -> Sequence[tuple[StoredResult, float]]:
    """Results of the monitor's first window, over all rows, with the value, by their end."""
    monitor, value = name.path
    window = plan.monitor(monitor).windows[0].name
    found = results.query(connection, plan.model, monitor, window, "", limit=100_000, mature=True)
    pairs = [(r, pick(r.body["values"], value, name.column)) for r in found if r.status == "ok"]
    return [(r, number) for r, number in pairs if number is not None]
