"""Saturation of images."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._pictures import ImageMeasure
from vedette_specs import Floats, Tags


class Saturation(ImageMeasure):
    """Per image column: mean saturation of an image's pixels, (max - min) / max of red, green and blue as in HSV, in
    [0, 1] (0 for black): mean over the images (`saturation`), `saturation_sd`, `_min`, `_max`.

    white: the value of full brightness, 255 or 1.  columns: image columns; all of them when None.
    Images of one channel have no colour, and images with a missing pixel are unknown: both are left out and counted
    in details as missing.
    """

    MEASURE = "saturation"
    tags = Tags(modalities=("image",))

    def measured_pictures(self, x: Floats) -> Floats:
        if x.shape[3] < 3:
            return np.full(len(x), np.nan)
        most, least = x[..., :3].max(axis=3), x[..., :3].min(axis=3)
        return np.asarray(np.where(most == 0, 0.0, (most - least) / np.where(most == 0, 1.0, most)).mean(axis=(1, 2)))
