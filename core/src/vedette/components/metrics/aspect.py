"""Aspect ratio of images."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._pictures import ImageMeasure
from vedette_specs import Floats, Tags


class Aspect(ImageMeasure):
    """Per image column: width / height: mean over the images (`aspect`), `aspect_sd`, `_min`, `_max`.

    The images of one batch have one shape, so it changes between batches only; `details.missing` counts missing images.
    columns: image columns; all of them when None.
    """

    MEASURE = "aspect"
    tags = Tags(modalities=("image",))

    def __init__(self, columns: list[str] | None = None) -> None:
        super().__init__(columns)

    def measured_pictures(self, x: Floats) -> Floats:
        missing = np.isnan(x).all(axis=(1, 2, 3))
        return np.where(missing, np.nan, x.shape[2] / x.shape[1])
