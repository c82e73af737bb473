"""Sharpness of images."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._pictures import ImageMeasure, luma
from vedette_specs import Floats, Tags


class Sharpness(ImageMeasure):
    """Per image column: variance of the Laplacian (4 neighbours, without the border) of an image's luma (white = 1):
    mean over the images (`sharpness`), `sharpness_sd`, `_min`, `_max`. Blurred images have little; so have empty ones.

    white: the value of full brightness, 255 or 1.  columns: image columns; all of them when None.
    Images with a missing pixel, or smaller than 3 x 3, are left out and counted in details.
    Source: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy" (ICPR 2000).
    """

    MEASURE = "sharpness"
    tags = Tags(modalities=("image",))

    def measured_pictures(self, x: Floats) -> Floats:
        y = luma(x)
        if min(y.shape[1:]) < 3:
            return np.full(len(y), np.nan)
        sides = y[:, :-2, 1:-1] + y[:, 2:, 1:-1] + y[:, 1:-1, :-2] + y[:, 1:-1, 2:]
        spread = (sides - 4.0 * y[:, 1:-1, 1:-1]).var(axis=(1, 2))
        return np.where(np.isnan(y).any(axis=(1, 2)), np.nan, spread)
