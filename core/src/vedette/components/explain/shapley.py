"""From a game's values to Shapley values, and from games to a background's, with standard errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vedette.components.explain.coalitions import Method, sizes_weights
from vedette_specs import Floats, Mask

_SOME_GAMES, _MANY_GAMES = 5, 16  # for slopes on the prediction, and on each feature's numbers


def game_values(method: Method, masks: Mask, values: Floats, empty: Floats, full: Floats) -> tuple[Floats, Floats]:
    """(d, k) Shapley values of a game with k outputs, and their sampling variance within the game (NaN: not known).

    masks (m, d), values (m, k): the coalitions and their predictions.  empty, full (k,): of no and of all features.
    """
    if masks.shape[1] == 1:
        return (full - empty)[None, :], np.zeros((1, len(full)))
    if method == "permutation":
        return _permutation_values(masks, values, empty, full)
    phi, variance = _regression_values(masks, values, empty, full)
    return phi, np.zeros_like(phi) if method == "exact" else variance


def combine(
    phi: Floats, variance: Floats, rows: NDArray[np.intp], background: Floats, total: Floats
) -> tuple[Floats, Floats]:
    """(d, k) values that sum to `total` (k,) exactly, and standard errors, of games (g, d, k) on background `rows`.

    background: (b, d) numbers of the background rows, 0 where a feature has none. Where the rows were used unequally,
    the games are regressed on something whose mean over the whole background is known (a control variate): with few
    games on their prediction, with more each feature's values on its own background numbers. The error is that within
    background rows where all were used equally and it is known, else it counts the spread of the background too.
    What is then lacking to `total` is shared by variance.
    """
    times = np.bincount(rows, minlength=len(background))
    if not (times == times[0]).all() and len(phi) >= _SOME_GAMES:
        many = len(phi) >= _MANY_GAMES
        known = (background - background.mean(axis=0))[rows][:, :, None] if many else (total - phi.sum(axis=1))[:, None]
        mean, error = _regressed(phi, known)
    else:
        mean, error = phi.mean(axis=0), _variance_of_mean(phi, variance, rows, times)
    weight = np.where(np.isnan(error), np.abs(mean), error)  # one game: nothing for features that do nothing
    spread = weight.sum(axis=0)
    share = np.where(spread > 0, weight / np.where(spread > 0, spread, 1.0), 1.0 / len(mean))
    return mean + share * (total - mean.sum(axis=0)), np.sqrt(error)


def _regressed(phi: Floats, known: Floats) -> tuple[Floats, Floats]:
    """(d, k) regression estimate at 0 of games (g, d, k) on `known` (g, d or 1, k or 1), and its variance."""
    games = len(phi)
    centre = known.mean(axis=0)
    around = known - centre
    square = (around**2).sum(axis=0)
    safe = np.where(square > 0, square, 1.0)
    mean = phi.mean(axis=0)
    slope = (around * (phi - mean)).sum(axis=0) / safe
    residual = ((phi - mean - slope * around) ** 2).sum(axis=0) / (games - 2)
    return mean - slope * centre, residual * (1.0 / games + centre**2 / safe)


def _variance_of_mean(phi: Floats, variance: Floats, rows: NDArray[np.intp], times: NDArray[np.intp] | None) -> Floats:
    """times: how often each background row was used, where equally."""
    if times is not None and not np.isnan(variance).any():
        return np.asarray(variance.mean(axis=0) / len(phi))
    if times is not None and times[0] > 1:
        by_row = phi[np.argsort(rows, kind="stable")].reshape(len(times), times[0], *phi.shape[1:])
        return np.asarray(by_row.var(axis=1, ddof=1).mean(axis=0) / len(phi))
    if len(phi) > 1:
        return np.asarray(phi.var(axis=0, ddof=1) / len(phi))
    return np.full(phi.shape[1:], np.nan)


def _permutation_values(masks: Mask, values: Floats, empty: Floats, full: Floats) -> tuple[Floats, Floats]:
    """Mean of the contributions along an order (even coalitions) and its reverse (odd ones, from full to empty)."""
    heads = masks[::2]
    order = np.argsort(-heads.sum(axis=0), kind="stable")  # the feature that joins first is in every head
    along = np.diff(np.concatenate([empty[None], values[::2], full[None]]), axis=0)
    back = -np.diff(np.concatenate([full[None], values[1::2], empty[None]]), axis=0)
    phi = np.empty_like(along)
    phi[order] = (along + back) / 2
    return phi, np.full_like(phi, np.nan)


def _regression_values(masks: Mask, values: Floats, empty: Floats, full: Floats) -> tuple[Floats, Floats]:
    """Weighted least squares under sum(phi) = full - empty, solved in the subspace of sum zero; the variance is the
    sandwich estimate over pairs of complements, scaled for the d - 1 parameters."""
    d = masks.shape[1]
    weights = sizes_weights(masks)
    share = masks.mean(axis=1)
    centred = masks - share[:, None]
    aim = values - empty - share[:, None] * (full - empty)
    weighted = centred * weights[:, None]
    inverse = np.linalg.pinv(weighted.T @ centred, rcond=1e-10, hermitian=True)  # singular along (1, .., 1)
    phi = inverse @ (weighted.T @ aim)
    residual = aim - centred @ phi
    pairs = len(masks) // 2
    # A complement's centred row is the negative one.
    scores = weighted[::2, :, None] * (residual[::2] - residual[1::2])[:, None, :]
    variance = (np.einsum("ij,pjk->pik", inverse, scores) ** 2).sum(axis=0)
    variance = variance * pairs / (pairs - d + 1) if pairs >= d else np.full_like(variance, np.nan)
    return phi + (full - empty) / d, variance
