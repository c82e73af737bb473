"""An outlier detector as a metric of a tick: candidates are kept by workers, flagged when the tick closes.

Benjamini-Hochberg runs once over all rows of a tick. Run per batch it is invalid: at a nominal rate of .1
single-row batches give .83 false discoveries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette_specs.batch import Batch
from vedette_specs.columns import Floats, Mask
from vedette_specs.components import Metric, OutlierDetector, ResultContext, State
from vedette_specs.decisions import benjamini_hochberg, conformal_p_values
from vedette_specs.results import Result

MAX_CANDIDATES = 10_000  # of one tick; what is above has the largest p-values and is counted
SHOWN = 100


class OutlierFlags(Metric):
    """State: rows, scored rows, sum and maximum of scores, and the candidates (p <= q): ids, rows, scores, p-values.

    Of the `keep` strangest candidates the inputs are kept too, for explanations.
    """

    def __init__(self, detector: OutlierDetector, fdr: float, keep: int = 0) -> None:
        self.detector = detector
        self.fdr = fdr
        self.keep = keep

    def create(self) -> State:
        return {
            "rows": 0, "scored": 0, "sum": 0.0, "max": -np.inf, "cut": 0,
            "ids": np.empty(0, dtype=object), "index": np.empty(0, dtype=np.int32),
            "score": np.empty(0), "p": np.empty(0), "kept": [],
        }  # fmt: skip

    def add(self, state: State, batch: Batch) -> State:
        return self.add_scored(state, batch, self.detector.score_batch(batch))

    def add_scored(self, state: State, batch: Batch, scores: Floats) -> State:
        """`add` for scores that are known already."""
        known = scores[~np.isnan(scores)]
        p_values = conformal_p_values(scores, self.detector.calibration_)
        keep = np.flatnonzero(p_values <= self.fdr)
        ids = batch.ids if batch.ids is not None else np.full(len(batch), "", dtype=object)
        index = batch.rows if batch.rows is not None else np.arange(len(batch), dtype=np.int32)
        part: State = {
            "rows": len(batch),
            "scored": len(known),
            "sum": float(known.sum()),
            "max": float(known.max(initial=-np.inf)),
            "cut": 0,
            "ids": ids[keep],
            "index": index[keep],
            "score": scores[keep],
            "p": p_values[keep],
            "kept": self._keep_inputs(batch, keep, scores),
        }
        return self.merge(state, part)

    def _keep_inputs(self, batch: Batch, candidates: NDArray[np.intp], scores: Floats) -> list[dict[str, Any]]:
        if not self.keep or batch.ids is None or batch.rows is None:
            return []
        chosen = candidates[np.argsort(-scores[candidates], kind="stable")[: self.keep]]
        return [
            {"id": str(batch.ids[i]), "row": int(batch.rows[i]), "score": float(scores[i]),
             "batch": batch.take([int(i)]).to_bytes()}
            for i in chosen
        ]  # fmt: skip

    def candidates(self, scores: Floats) -> Mask:
        """(n,) True where a row could still be flagged."""
        return np.asarray(conformal_p_values(scores, self.detector.calibration_) <= self.fdr)

    def merge(self, left: State, right: State) -> State:
        joined: dict[str, Any] = {k: np.concatenate([left[k], right[k]]) for k in ("ids", "index", "score", "p")}
        cut = left["cut"] + right["cut"]
        if len(joined["p"]) > MAX_CANDIDATES:
            order = np.lexsort((joined["index"], joined["ids"].astype(str), -joined["score"]))[:MAX_CANDIDATES]
            cut += len(joined["p"]) - MAX_CANDIDATES
            joined = {name: values[order] for name, values in joined.items()}
        return {
            "rows": left["rows"] + right["rows"],
            "scored": left["scored"] + right["scored"],
            "sum": left["sum"] + right["sum"],
            "max": max(left["max"], right["max"]),
            "cut": cut,
            "kept": sorted(left["kept"] + right["kept"], key=_strangest)[: self.keep],
            **joined,
        }

    def flagged(self, state: State) -> list[dict[str, Any]]:
        """The outliers of a tick, strangest first."""
        flags = benjamini_hochberg(state["p"], self.fdr, total=state["rows"])
        found = [
            {"id": str(state["ids"][i]), "row": int(state["index"][i]),
             "score": float(state["score"][i]), "p_value": float(state["p"][i])}
            for i in np.flatnonzero(flags)
        ]  # fmt: skip
        return sorted(found, key=_strangest)

    def flagged_inputs(self, state: State) -> list[dict[str, Any]]:
        """The kept inputs of rows that are flagged: id, row, score, batch (bytes)."""
        flagged = {(item["id"], item["row"]) for item in self.flagged(state)}
        return [item for item in state["kept"] if (item["id"], item["row"]) in flagged]

    def result(self, state: State, ctx: ResultContext) -> Result:
        rows, scored = state["rows"], state["scored"]
        if not rows:
            return Result({"flagged": None, "rate": None, "score_mean": None, "score_max": None}, 0, "insufficient")
        flagged = self.flagged(state)
        values = {
            "flagged": float(len(flagged)),
            "rate": len(flagged) / rows,
            "score_mean": state["sum"] / scored if scored else None,
            "score_max": state["max"] if scored else None,
        }
        # a p-value has a floor: with few calibration rows, one outlier among many rows can never be flagged
        least = 1.0 / (len(self.detector.calibration_) + 1.0)
        details = {
            "fdr": self.fdr,
            "rows": flagged[:SHOWN],
            "candidates_cut": state["cut"],
            "unscored": rows - scored,
            "least_p_value": least,
            "fewest_to_flag": int(np.ceil(least * rows / self.fdr)),
        }
        return Result(values, rows, "ok", details)


def _strangest(item: dict[str, Any]) -> tuple[float, str, int]:
    return -item["score"], item["id"], item["row"]
