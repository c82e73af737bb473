"""Images of a column as arrays with channels last."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from vedette.components.metrics._measured import Measured
from vedette_specs import Column, Floats

_CHANNELS = (1, 3, 4)
_LUMA = np.array([0.299, 0.587, 0.114])  # Rec. ITU-R BT.601


class ImageMeasure(Measured):
    """A measure of images: (n, h, w), (n, h, w, c) or (n, c, h, w) with c = 1, 3 or 4 (red, green, blue, alpha).

    white: the value of full brightness, 255 or 1.
    """

    KINDS = ("image",)

    def __init__(self, columns: list[str] | None = None, white: float = 255.0) -> None:
        super().__init__(columns)
        if not white > 0:
            raise ValueError(f"{self.MEASURE}: white is {white}; allowed: above 0, 255 or 1 as a rule")
        self.white = white

    def measured(self, column: Column) -> Floats:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return self.measured_pictures(pictures(column, self.MEASURE) / self.white)

    @abstractmethod
    def measured_pictures(self, x: Floats) -> Floats:
        """(n,) numbers of pictures (n, h, w, c), 0 black and 1 white; NaN where a pixel is missing."""


def pictures(column: Column, who: str) -> Floats:
    """(n, h, w, c); raises ValueError naming the shape that is no image."""
    x = column.values
    if x.ndim == 3:
        x = x[..., None]
    elif x.ndim == 4 and x.shape[3] not in _CHANNELS and x.shape[1] in _CHANNELS:
        x = np.moveaxis(x, 1, 3)
    if x.ndim != 4 or x.shape[3] not in _CHANNELS or 0 in x.shape[1:]:
        raise ValueError(f"{who}: images have shape {column.values.shape[1:]}; allowed: (h, w), (h, w, c), (c, h, w)")
    return np.asarray(x, dtype=np.float64)


def luma(x: Floats) -> Floats:
    """(n, h, w) brightness of pictures; alpha is not looked at."""
    return np.asarray(x[..., 0] if x.shape[3] == 1 else x[..., :3] @ _LUMA)
