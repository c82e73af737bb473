"""A monitors.yaml for the kit's model."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from vedette.testing.platforms.model import CLASSES, FEATURES, make_labels, make_rows

YAML = """
version: 1
model: {name: kit}
reference: reference.parquet
schema: {label: label, classes: ["no", "yes"], positive: "yes"}
store: "${VEDETTE_STORE:-sqlite:///vedette.db}"
monitors:
  quality: {metrics: [moments, missing_rate], window: {lifetime: true, every: 2s}}
  performance: {metrics: [accuracy, log_loss], window: {lifetime: true, every: 2s}}
  drift: {detect: ks, window: {lifetime: true, every: 2s}}
  outliers: {detect: {use: mahalanobis, fdr: 0.1}}
"""
EXPLAINED = "explainers: {why: {use: kernel_shap, background: 20, max_rows: 400}}\n"


def write_config(folder: Path, *more: str) -> Path:
    """monitors.yaml and its reference."""
    rows = make_rows(1000, seed=1)
    frame = pd.DataFrame(rows, columns=list(FEATURES)).assign(label=make_labels(rows, 2))
    frame.to_parquet(folder / "reference.parquet")
    path = folder / "monitors.yaml"
    path.write_text(YAML + "".join(more))
    assert CLASSES == ("no", "yes")
    return path
