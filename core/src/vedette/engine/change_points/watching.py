"""One more value of a rule's series: its rank, the evidence for a change, and whether that is an alarm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from vedette.components.change.betting import BETS, bets
from vedette.engine.change_points import cusum
from vedette.engine.change_points.ranking import Ranking, normal_score
from vedette_specs import Floats
from vedette_specs.codec import decode, encode

Method = Literal["cusum", "page_hinkley", "conformal"]
ALLOWANCES: Mapping[str, float] = {"cusum": 0.5, "page_hinkley": 0.25}
"""On scores whose mean is known to be 0, Page-Hinkley's `m - min m` is the CUSUM whose allowance is its delta."""
BURN_IN = 20
"""Values that are only ranked: a rank among a few says little. They are evaluations, but none of them can alarm."""


@dataclass(frozen=True)
class Look:
    """What a value showed. alarm: None in the burn-in.  statistic and threshold: None there too.

    values: since the start, with this one.  late: windows left out since then, because their labels came after those
    of a later window.
    """

    alarm: bool | None
    statistic: float | None
    threshold: float
    direction: Literal["up", "down"] | None
    values: int
    restarts: int
    late: int = 0

    def to_json(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class Watch:
    """The memory of a series of numbers. key: of what it is, on the monitors' series up to `series`; end: of the last
    window that was fed.

    sums: (2,) of the CUSUM, or (BETS,) evidence. It starts anew after an alarm: `restarts` counts these.
    """

    key: str
    ranking: Ranking
    sums: Floats
    end: float = -1e18
    restarts: int = 0
    series: int = 0
    late: int = 0

    @classmethod
    def start(cls, method: Method, key: str, series: int = 0) -> Watch:
        return cls(key, Ranking.empty(), np.zeros(BETS if method == "conformal" else 2), series=series)

    @classmethod
    def from_bytes(cls, data: bytes | None, method: Method, key: str, series: int = 0) -> Watch | None:
        """Under another key (another rule, a later series of its monitor) it begins anew.

        None for an earlier series, whose labels still come after a deploy.
        """
        state = None if data is None else decode(data)
        if state is not None and "key" not in state:  # of a rule that was of another kind
            state = None
        if state is not None and state["series"] > series:
            return None
        if state is None or state["key"] != key:
            return cls.start(method, key, series)
        return cls(
            key, Ranking.from_state(state), state["sums"], state["end"], state["restarts"], series, state["late"]
        )

    def to_bytes(self) -> bytes:
        own = {name: getattr(self, name) for name in ("key", "sums", "end", "restarts", "series", "late")}
        return encode({**own, **self.ranking.to_state()})

    def feed(
        self, value: float, end: float, method: Method, run_length: float, rng: np.random.Generator
    ) -> tuple[Watch, Look]:
        """The memory after a value, and what it showed. run_length: values between false alarms on average."""
        p, ranking = self.ranking.rank(value, rng.random())
        limit = run_length if method == "conformal" else cusum.threshold(run_length, ALLOWANCES[method])
        if ranking.seen <= BURN_IN:
            after = replace(self, ranking=ranking, end=end)
            return after, Look(None, None, limit, None, ranking.seen, self.restarts, self.late)
        sums = _step(self.sums, p, method)
        statistic = float(sums.mean() if method == "conformal" else sums.max())
        alarm = statistic >= limit
        look = Look(alarm, statistic, limit, _direction(sums, method), ranking.seen, self.restarts, self.late)
        if alarm:
            fresh = Watch.start(method, self.key, self.series)
            return replace(fresh, end=end, restarts=self.restarts + 1, late=self.late), look
        return replace(self, ranking=ranking, sums=sums, end=end), look


def _step(sums: Floats, p: float, method: Method) -> Floats:
    if method == "conformal":  # Shiryaev-Roberts: at least `run_length` values between alarms, whatever the bets are
        return np.asarray((sums + 1.0) * bets(np.array(p)))
    return cusum.step(sums, normal_score(p), ALLOWANCES[method])


def _direction(sums: Floats, method: Method) -> Literal["up", "down"] | None:
    if method == "conformal":
        return None
    return "up" if sums[0] >= sums[1] else "down"
