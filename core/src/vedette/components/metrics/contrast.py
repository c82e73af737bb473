"""Contrast of images."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._pictures import ImageMeasure, luma
from vedette_specs import Floats, Tags


class Contrast(ImageMeasure):
    """Per image column: root-mean-square contrast, the standard deviation of an image's luma (white = 1), in [0, 0.5]:
    mean over the images (`contrast`), `contrast_sd`, `_min`, `_max`.

    white: the value of full brightness, 255 or 1.  columns: image columns; all of them when None.
    Images with a missing pixel are left out and counted in details.
    Source: Peli, "Contrast in complex images" (1990).
    """

    MEASURE = "contrast"
    tags = Tags(modalities=("image",))

    def measured_pictures(self, x: Floats) -> Floats:
        return np.asarray(luma(x).std(axis=(1, 2)))
