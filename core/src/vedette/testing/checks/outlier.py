"""What outlier detectors keep: a row's score depends on nothing but the row and the fit."""

from __future__ import annotations

import numpy as np

from vedette.testing.checks._table import check
from vedette.testing.lab import Lab, require, same
from vedette_specs import OutlierDetector, concat

SCORE_TOLERANCE = 1e-9


@check(OutlierDetector)
def a_score_depends_on_its_row_only(lab: Lab) -> None:
    """Alone, among others, or in another order: a row has one score."""
    detector = lab.ready()
    rows = concat([lab.traffic(60), lab.traffic(20, seed=4, shift=6.0)])
    scores = detector.outlier_scores(rows)
    require(scores.shape == (len(rows),), f"scores of {len(rows)} rows have shape {scores.shape}")
    alone = [float(detector.outlier_scores(rows.take([i]))[0]) for i in range(0, len(rows), 7)]
    same(alone, scores[::7].tolist(), SCORE_TOLERANCE, "a row alone has another score than among others")
    order = np.random.default_rng(0).permutation(len(rows))
    mixed = detector.outlier_scores(rows.take(order))
    same(mixed.tolist(), scores[order].tolist(), SCORE_TOLERANCE, "a row has another score in another order")


@check(OutlierDetector)
def scoring_leaves_the_detector(lab: Lab) -> None:
    """Scoring a thousand strange rows changes no later score."""
    detector = lab.ready()
    rows = lab.traffic(50)
    before = detector.outlier_scores(rows).tolist()
    detector.outlier_scores(lab.traffic(1000, seed=5, shift=8.0))
    same(detector.outlier_scores(rows).tolist(), before, 0.0, "scoring changes the detector")


@check(OutlierDetector)
def strange_rows_score_higher(lab: Lab) -> None:
    """Rows eight standard deviations away rank above usual rows."""
    detector = lab.ready()
    usual, strange = detector.outlier_scores(lab.traffic(200)), detector.outlier_scores(lab.traffic(200, 6, 8.0))
    wins = float((strange[:, None] > usual[None, :]).mean())
    require(wins >= 0.9, f"a strange row scores above a usual one in {wins:.0%} of pairs only")


@check(OutlierDetector)
def p_values_are_valid(lab: Lab) -> None:
    """Usual rows have p-values below 0.1 in about a tenth of the cases; rows that cannot be scored have 1."""
    detector = lab.ready()
    p = detector.p_values(lab.traffic(2000, seed=7))
    share = float((p <= 0.1).mean())
    require(bool(((p > 0) & (p <= 1)).all()), "a p-value is not in (0, 1]")
    require(0.03 <= share <= 0.2, f"{share:.1%} of usual rows have p <= 0.1")
