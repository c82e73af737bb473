"""A digit classifier behind Ray Serve. It knows nothing of Vedette.

A request is {"instances": [[16 numbers], ...]}: the mean ink in a 4 x 4 grid over a scanned digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from starlette.requests import Request

FEATURES = [f"ink_r{row}_c{column}" for row in range(4) for column in range(4)]
TRAINED_ON = 500  # of 1797 scans, in a shuffled order
Array = NDArray[np.float64]


def scans() -> tuple[Array, NDArray[np.int64]]:
    """(1797, 8, 8) scanned digits with ink from 0 to 16, and what they show; always in the same shuffled order."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    return digits.images[order], digits.target[order]


def grid(images: Array) -> Array:
    """(n, 16) mean ink in each 2 x 2 block of pixels."""
    found: Array = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    return found


@serve.deployment(ray_actor_options={"num_cpus": 0.5}, max_ongoing_requests=32, max_queued_requests=256)
class Digits:
    def __init__(self) -> None:
        images, shown = scans()
        self.model = QuadraticDiscriminantAnalysis(reg_param=0.05)
        self.model.fit(grid(images[:TRAINED_ON]), shown[:TRAINED_ON])

    async def __call__(self, request: Request) -> dict[str, Any]:
        rows = np.asarray((await request.json())["instances"], dtype=float)
        probabilities = self.model.predict_proba(rows)
        classes = [str(name) for name in self.model.classes_[probabilities.argmax(axis=1)]]
        return {"predictions": classes, "probabilities": probabilities.tolist()}


app = Digits.bind()
