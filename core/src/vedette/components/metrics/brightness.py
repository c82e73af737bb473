"""Brightness of images."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._pictures import ImageMeasure, luma
from vedette_specs import Floats, Tags


class Brightness(ImageMeasure):
    """Per image column: mean luma (ITU-R BT.601) of an image, 0 black to 1 white: mean over the images (`brightness`),
    `brightness_sd`, `_min`, `_max`.

    white: the value of full brightness, 255 or 1.  columns: image columns; all of them when None.
    Images with a missing pixel are left out and counted in details.
    """

    MEASURE = "brightness"
    tags = Tags(modalities=("image",))

    def measured_pictures(self, x: Floats) -> Floats:
        return np.asarray(luma(x).mean(axis=(1, 2)))
