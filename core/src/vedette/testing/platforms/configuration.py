"""The monitors.yaml of the suite, and the reference beside it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vedette.testing.platforms import model, moody
from vedette.testing.platforms.platform import Platform, Setting

REFERENCE_ROWS = 1000
BUFFER_ROWS = 2000  # of a tap: small, so that a check can fill it
EVERY = "2s"
SLEEPY, RAISING = MOODY = ("slow", "raising")  # monitors that misbehave when a file of their name tells them to


def document(platform: Platform, name: str, folder: Path) -> dict[str, Any]:
    """The configuration as values. folder: holds reference, store and moods."""
    lifetime = {"lifetime": True, "every": EVERY}
    moods: dict[str, Any] = {
        name: {"metrics": [{"use": "moody", "mood": str(folder / name)}], "window": lifetime, "alert": False}
        for name in MOODY
    }
    return {
        "version": 1,
        "model": {"name": name},
        "reference": "reference.csv",
        "store": f"sqlite:///{folder / 'vedette.db'}",
        "schema": {
            "task": "binary",
            "label": "label",
            "classes": list(model.CLASSES),
            "positive": model.CLASSES[1],
            "features": dict.fromkeys(model.FEATURES, "numeric"),
        },
        "capture": dict(platform.capture()),
        "labels": {"within": "1h"},
        "windows": {"recent": {"last": "200 rows", "every": "50 rows"}},
        "monitors": {
            "quality": {"metrics": ["moments", "missing_rate", {"use": "quantile", "q": 0.5}], "window": lifetime},
            "regions": {"metrics": ["moments"], "window": "recent", "by": "region"},
            "performance": {"metrics": ["accuracy", "log_loss"], "window": lifetime},
            "drift": {"detect": "ks", "window": "recent"},
            "shift": {"detect": "conformal"},
            "outliers": {"detect": {"use": "mahalanobis", "fdr": 0.1}},
            **moods,
        },
        "explainers": {"why": {"use": "kernel_shap", "background": 20, "max_rows": 400, "deadline": "30s"}},
        "privacy": {"payloads": "all"},
        "tap": {"buffer": f"{BUFFER_ROWS} rows"},
        **platform.yaml,
    }


def write(platform: Platform, name: str, folder: Path) -> Setting:
    """The configuration, its reference and the plugin's metadata in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = model.make_rows(REFERENCE_ROWS, seed=1)
    with open(folder / "reference.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*model.FEATURES, "label"])
        writer.writeheader()
        writer.writerows({**row, "label": label} for row, label in zip(rows, model.make_labels(rows, 2), strict=True))
    config = folder / "monitors.yaml"
    config.write_text(as_yaml(document(platform, name, folder)), encoding="utf-8")
    return Setting(folder, config, name, (moody.install(folder / "site"),))


def as_yaml(values: Mapping[str, Any]) -> str:
    """JSON is YAML."""
    return json.dumps(values, indent=1) + "\n"
