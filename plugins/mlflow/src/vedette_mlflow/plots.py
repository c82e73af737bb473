"""Pictures of an evaluation, by matplotlib where it is installed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette_mlflow.naming import clean

if TYPE_CHECKING:
    from vedette_mlflow.evaluating import Evaluated

log = logging.getLogger("vedette.mlflow")
SHOWN = 30  # bars of one picture
DPI = 110
CALM, ALARMED, BEFORE = "#4878a8", "#c8443c", "#b8b8b8"


def save_plots(found: Evaluated, folder: Path) -> list[Path]:
    """PNG files, one a result that can be shown; none without matplotlib."""
    if find_spec("matplotlib") is None:
        log.warning("the plots of the evaluation are left out: pip install matplotlib")
        return []
    saved = []
    for result in found.results:
        draw = _drawing(result, found.reference.get(result["monitor"], {}))
        if draw is not None:
            place = "-".join(part for part in (result["monitor"], result["segment"]) if part)
            saved.append(_save(draw, folder / f"{clean(place).replace('/', '_')}.png"))
    return saved


Draw = Callable[[Any], None]


def _drawing(result: Mapping[str, Any], reference: Mapping[str, Any]) -> Draw | None:
    if result.get("features"):
        return lambda axes: _drift(axes, result)
    if "flagged" in (result.get("values") or {}):
        flagged = (result.get("details") or {}).get("rows") or []
        return (lambda axes: _outliers(axes, result, flagged)) if flagged else None
    values = {name: value for name, value in (result.get("values") or {}).items() if isinstance(value, int | float)}
    return (lambda axes: _values(axes, result, values, reference)) if values else None


def _drift(axes: Any, result: Mapping[str, Any]) -> None:
    """Effect by feature, the largest first; what drifted is red."""
    features = [f for f in result["features"] if f["effect"] is not None]
    features = sorted(features, key=lambda f: -abs(f["effect"]))[:SHOWN][::-1]
    colours = [ALARMED if f["drifted"] else CALM for f in features]
    axes.barh([f["feature"] for f in features], [f["effect"] for f in features], color=colours)
    axes.set_xlabel("effect size")
    drifted = sum(bool(f["drifted"]) for f in result["features"])
    axes.set_title(f"{_title(result)}: {drifted} of {len(result['features'])} drifted")


def _outliers(axes: Any, result: Mapping[str, Any], flagged: list[Mapping[str, Any]]) -> None:
    shown = sorted(flagged, key=lambda item: -item["score"])[:SHOWN][::-1]
    axes.barh([f"row {item['id']}" for item in shown], [item["score"] for item in shown], color=ALARMED)
    axes.set_xlabel("outlier score")
    axes.set_title(f"{_title(result)}: {result['values']['flagged']:g} of {result['n']} rows stand out")


def _values(axes: Any, result: Mapping[str, Any], values: Mapping[str, float], reference: Mapping[str, Any]) -> None:
    """Values beside those of the reference, where it has them."""
    names = list(values)[:SHOWN]
    before = [reference.get(name) for name in names]
    positions = range(len(names))
    axes.bar([p + 0.2 for p in positions], [values[name] for name in names], 0.4, color=CALM, label="evaluated")
    known = [(p, b) for p, b in zip(positions, before, strict=True) if isinstance(b, int | float)]
    if known:
        axes.bar([p - 0.2 for p, _ in known], [b for _, b in known], 0.4, color=BEFORE, label="reference")
        axes.legend()
    axes.set_xticks(list(positions), names, rotation=30, ha="right")
    axes.set_title(_title(result))


def _title(result: Mapping[str, Any]) -> str:
    return " ".join(part for part in (result["monitor"], result["segment"]) if part)


def _save(draw: Draw, path: Path) -> Path:
    """Drawn without pyplot, which would keep the figure and may want a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure.add_subplot())
    figure.savefig(path, dpi=DPI)
    return path
