"""What logged rows lack that monitors want: their results would say nothing, and not why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vedette.config.plan import Plan
    from vedette.plugins import Registry
    from vedette_specs import Batch

COLUMNS = {"prediction": "column 'prediction'", "probabilities": "columns 'p_<class>', one for each class"}


def notes_of(data: Path, rows: Batch, labelled: bool, plan: Plan, registry: Registry) -> list[str]:
    """labelled: a file of labels was given, too."""
    if not len(rows):
        return [f"{data} has no rows: there is nothing to replay"]
    label = f"label column {plan.schema.label!r}" if plan.schema.label else "label column"
    has = {
        "prediction": rows.prediction is not None,
        "probabilities": rows.probabilities is not None,
        "labels": labelled or rows.labels is not None,
    }
    lacks = {**COLUMNS, "labels": f"{label}, and no file of labels is given (--labels)"}
    wanting = _wanting(plan, registry)
    return [
        f"{data} has no {lacks[need]}: {', '.join(wanting[need])} will have no values"
        for need, there in has.items()
        if not there and wanting[need]
    ]


def unmatched_notes(labels: Path | None, data: Path, count: int, counters: Mapping[str, float]) -> list[str]:
    """count: of the labels in the file."""
    lost = int(counters.get("labels_pending", 0) + counters.get("labels_unmatched", 0))
    return [f"{labels}: {min(lost, count)} of {count} labels name no row of {data}"] if labels and lost else []


def tell(notes: Iterable[str]) -> None:
    for note in notes:
        typer.secho(f"note: {note}", err=True, fg="yellow")


def _wanting(plan: Plan, registry: Registry) -> Mapping[str, list[str]]:
    """What it is -> the components that need it, as <monitor>.<component>."""
    found: dict[str, list[str]] = {"prediction": [], "probabilities": [], "labels": []}
    for monitor in plan.monitors:
        for part in monitor.components:
            tags = getattr(registry.load(part.use, (part.kind,)), "tags", None)
            needs = {name: getattr(tags, f"needs_{name}", False) or monitor.of == name for name in found}
            for name in (name for name, needed in needs.items() if needed):
                found[name].append(f"{monitor.name}.{part.alias}")
    return found
