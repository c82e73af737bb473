"""Entropy of the grey levels of images."""

from __future__ import annotations

import numpy as np

from vedette.components.metrics._pictures import ImageMeasure, luma
from vedette_specs import Floats, Tags

_LEVELS = 256


class ImageEntropy(ImageMeasure):
    """Per image column: Shannon entropy (bits, 0 to 8) of the histogram of an image's luma over 256 equal levels from
    black to white: mean over the images (`image_entropy`), `image_entropy_sd`, `_min`, `_max`.

    white: the value of full brightness, 255 or 1; what is darker than 0 or brighter counts in the outer levels.
    columns: image columns; all of them when None.  Images with a missing pixel are left out and counted in details.
    """

    MEASURE = "image_entropy"
    tags = Tags(modalities=("image",))

    def measured_pictures(self, x: Floats) -> Floats:
        y = luma(x).reshape(len(x), -1)
        missing = np.isnan(y).any(axis=1)
        level = np.minimum(np.clip(np.nan_to_num(y), 0.0, 1.0) * _LEVELS, _LEVELS - 1).astype(np.intp)
        cells = level + _LEVELS * np.arange(len(y))[:, None]
        shares = np.bincount(cells.ravel(), minlength=_LEVELS * len(y)).reshape(len(y), _LEVELS) / y.shape[1]
        logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
        return np.where(missing, np.nan, np.abs((shares * logs).sum(axis=1)))
