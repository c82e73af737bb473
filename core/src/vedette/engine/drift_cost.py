"""What drift of a size has cost before: an isotonic map from a drift value to a realised one, with a conformal band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from vedette.config import rules
from vedette.config.faults import did_you_mean
from vedette.config.plan import Plan
from vedette.config.rules_tree import Value
from vedette.engine.reasons import unreliable
from vedette.engine.reduce import alerts
from vedette.store import results
from vedette.store.results import StoredResult
from vedette_specs import Floats

FEWEST = 10  # pairs of windows that a map is made of
FORM = 'write monitor.value, as in drift.statistic("age")'
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


Known = tuple[StoredResult, float]  # a result, and the value that is asked for


def read_pairs(connection: Connection, plan: Plan, drift: str, loss: str) -> tuple[Floats, Floats]:
    """(n,) values of two monitors: of mature windows of the second, and of the last one of the first that ended by then
    and overlaps it, both of `paired_windows`.

    Windows that share rows are not exchangeable: of those that overlap, the latest is taken.

    drift, loss: as in rules, `drift.statistic("age")`.  Raises ValueError where one is no such name or has no value,
    and where there are too few windows.
    """
    one, other = named(drift, plan), named(loss, plan)
    windows = _shared(plan, one, other)
    first, second = (_known(connection, plan, name, w) for name, w in zip((one, other), windows, strict=True))
    ends = np.array([result.end for result, _ in first])
    pairs: list[tuple[Known, Known]] = []
    for known in second:
        place = int(np.searchsorted(ends, known[0].end, side="right")) - 1
        if place >= 0 and first[place][0].end > known[0].start:
            pairs.append((first[place], known))
    kept = apart(pairs)[-MOST:]
    if len(kept) < FEWEST:
        raise ValueError(
            f"{len(kept)} windows that do not overlap have both values, a map needs {FEWEST} or more; "
            f"{drift} is known of {len(first)} windows, {loss} of {len(second)}, both of {len(pairs)}"
        )
    found = np.array([(x, y) for (_, x), (_, y) in kept], dtype=np.float64)
    return found[:, 0], found[:, 1]


def paired_windows(plan: Plan, drift: str, loss: str) -> tuple[str, str]:
    """Names of the windows whose values are related: the first that both monitors have, else the first of each."""
    return _shared(plan, named(drift, plan), named(loss, plan))


def _shared(plan: Plan, one: Value, other: Value) -> tuple[str, str]:
    first, second = ([w.name for w in plan.monitor(name.path[0]).windows] for name in (one, other))
    both = next((w for w in first if w in second), None)
    return (first[0], second[0]) if both is None else (both, both)


def apart(pairs: Sequence[tuple[Known, Known]]) -> list[tuple[Known, Known]]:
    """Those of `pairs`, by their end, that share no rows with a later one that is kept."""
    kept: list[tuple[Known, Known]] = []
    for pair in reversed(pairs):
        if not kept or all(early.end <= late.start for (early, _), (late, _) in zip(pair, kept[-1], strict=True)):
            kept.append(pair)
    return kept[::-1]


def named(text: str, plan: Plan) -> Value:
    """The value of a monitor that `text` writes; ValueError for what is none."""
    try:
        root = rules.parse(text).root
    except rules.RuleError as error:
        raise ValueError(f"{text!r} is no value of a monitor ({error}); {FORM}") from error
    if not isinstance(root, Value) or len(root.path) != 2:
        raise ValueError(f"{text!r} is no value of a monitor; {FORM}")
    known = [monitor.name for monitor in plan.monitors if monitor.windows]
    if root.path[0] not in known:
        raise ValueError(f"there is no monitor {root.path[0]!r} with windows{did_you_mean(root.path[0], known)}")
    return root


def _known(connection: Connection, plan: Plan, name: Value, window: str) -> list[Known]:
    """Results of a window of the monitor, over all rows, with the value, by their end. Raises ValueError without."""
    monitor, value = name.path
    found = results.query(connection, plan.model, monitor, window, "", limit=100_000, mature=True)
    fine = [result for result in found if result.status == "ok"]
    pairs = [(result, alerts.known(result, value, name.column)) for result in fine]
    known = [(result, number) for result, number in pairs if number is not None]
    if not known:
        raise ValueError(f"{name.text()} is known of no window{_why_unknown(name, window, len(found), fine)}")
    return known


def _why_unknown(name: Value, window: str, mature: int, fine: Sequence[StoredResult]) -> str:
    monitor, value = name.path
    if not fine:
        return (
            f": monitor {monitor!r} has {mature} mature results of window {window!r} over all rows, none of which is ok"
        )
    if all(value in unreliable(result.body["details"]) for result in fine):
        return f": it stands on too few rows or labels in all {len(fine)}"
    given = {key: found for result in fine for key, found in result.body["values"].items() if found is not None}
    if value not in given:
        names = {key for result in fine for key in result.body["values"]}
        return f" of {len(fine)}" if value in names else f": {monitor!r} has no such value{did_you_mean(value, names)}"
    columns = given[value]
    if not isinstance(columns, Mapping):
        return f": {value!r} is one number, without columns"
    if name.column is None:
        return f": {value!r} has a value for each column; write {Value(name.path, next(iter(columns), '...')).text()}"
    return f" of {len(fine)}: {value!r} of that column{did_you_mean(name.column, columns)}"
