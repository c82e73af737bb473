"""Principal components of the reference as columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vedette.components.metrics._columns import pick
from vedette.components.preprocess.standardise import mean_and_scale
from vedette_specs import Batch, Column, Floats, Preprocessor, Tags
from vedette_specs.schema import Kind

_KINDS: tuple[Kind, ...] = ("numeric", "embedding", "image")


class PCA(Preprocessor):
    """Scores on the leading principal components of the reference: numeric columns `pc0`, `pc1`, ... in place of the
    columns they are made of, so that drift tests of columns see what is in embeddings, images and correlations.

    components: how many (all when there are fewer directions).
    scale: divide by the reference's standard deviation first.
    columns: numeric, embedding or image columns; all of these when None. Others pass unchanged.
    A missing or infinite value counts as the reference's mean; a row without any value gets missing scores.
    Signs are fixed: a component's largest loading is positive.
    Source: Pearson (1901); Rabanser, Guennemann, Lipton, "Failing loudly" (2019).
    """

    tags = Tags(modalities=_KINDS)

    columns_: list[str]
    mean_: Floats
    scale_: Floats
    components_: Floats
    explained_variance_ratio_: Floats

    def __init__(self, components: int = 10, scale: bool = True, columns: list[str] | None = None) -> None:
        if components < 1:
            raise ValueError(f"pca: components is {components}; allowed: 1 or more")
        self.components = components
        self.scale = scale
        self.columns = columns

    def fit_batch(self, reference: Batch) -> None:
        self.columns_ = pick(reference, self.columns, *_KINDS, who="pca")
        if not self.columns_:
            raise ValueError(f"pca: the reference has no column of kind {', '.join(_KINDS)}")
        x = self._matrix(reference)
        self.mean_, scale = mean_and_scale(x)
        self.scale_ = scale if self.scale else np.ones_like(scale)
        _, singular, axes = np.linalg.svd(self._centred(x), full_matrices=False)
        kept = min(self.components, len(singular))
        largest = np.argmax(np.abs(axes), axis=1)
        signs = np.sign(axes[np.arange(len(axes)), largest])
        self.components_ = (axes * np.where(signs == 0, 1.0, signs)[:, None])[:kept]
        variance = singular**2
        self.explained_variance_ratio_ = (variance / max(variance.sum(), np.finfo(np.float64).tiny))[:kept]

    def transform_batch(self, batch: Batch) -> Batch:
        self.check_fitted()
        x = self._matrix(batch)
        if x.shape[1] != len(self.mean_):
            raise ValueError(
                f"pca: {self.columns_} have {x.shape[1]} values a row; the reference has {len(self.mean_)}"
            )
        # einsum and not BLAS: a row's scores must not depend on how many rows are beside it, not even in the last digit
        scores = np.einsum("nd,kd->nk", self._centred(x), self.components_)
        scores[~np.isfinite(x).any(axis=1)] = np.nan
        added = {f"pc{i}": Column("numeric", np.ascontiguousarray(column)) for i, column in enumerate(scores.T)}
        kept = {name: column for name, column in batch.inputs.items() if name not in self.columns_}
        if taken := sorted(kept.keys() & added.keys()):
            raise ValueError(f"pca: the batch has columns {taken}, which are the names of the components")
        inputs = kept | added
        schema = replace(batch.schema, features={name: column.kind for name, column in inputs.items()})
        return batch.replace(inputs=inputs, schema=schema)

    def _matrix(self, batch: Batch) -> Floats:
        """(n, d) all values of a row, images and embeddings flattened."""
        pick(batch, self.columns_, *_KINDS, who="pca")
        parts = [batch.inputs[name].values.reshape(len(batch), self._width(batch, name)) for name in self.columns_]
        return np.concatenate(parts, axis=1).astype(np.float64, copy=False)

    def _width(self, batch: Batch, name: str) -> int:
        return int(np.prod(batch.inputs[name].values.shape[1:], dtype=np.intp))

    def _centred(self, x: Floats) -> Floats:
        return np.asarray(np.where(np.isfinite(x), (x - self.mean_) / self.scale_, 0.0))
