"""What the model takes and gives: features with their kinds, task, classes, label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

Kind = Literal["numeric", "category", "text", "image", "embedding"]
Task = Literal["binary", "multiclass", "regression", "none"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True)
class Schema:
    """The model's signature.

    features: name -> kind, in the model's column order.
    task: what the model predicts; `none` when there is nothing to compare labels with.
    classes: labels in the order of the probability columns, as strings; empty for regression.
    positive: the class whose probability a binary metric looks at (one of `classes`).
    threshold: the probability of `positive` at and above which a binary model answers it.
    label: the reference data's label column.
    """

    features: Mapping[str, Kind] = field(default_factory=dict)
    task: Task = "none"
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float = 0.5
    label: str | None = None

    def __post_init__(self) -> None:
        for name, kind in self.features.items():
            if kind not in KINDS:
                raise ValueError(f"schema.features.{name}: {kind!r} is not a kind; allowed: {', '.join(KINDS)}")
        if self.task not in TASKS:
            raise ValueError(f"schema.task: {self.task!r} is not a task; allowed: {', '.join(TASKS)}")
        if self.positive is not None and self.positive not in self.classes:
            raise ValueError(f"schema.positive: {self.positive!r} is not one of the classes {list(self.classes)}")
        if not 0.0 <= self.threshold <= 1.0:
            raise ValueError(f"schema.threshold: {self.threshold} is not in [0, 1]")

    def names(self, *kinds: Kind) -> list[str]:
        """Feature names of the given kinds (all of them when none is given), in schema order."""
        return [name for name, kind in self.features.items() if not kinds or kind in kinds]

    @property
    def positive_index(self) -> int:
        """Column of `probabilities` that belongs to `positive` (the last class when none is named)."""
        return self.classes.index(self.positive) if self.positive is not None else len(self.classes) - 1

    def to_json(self) -> dict[str, Any]:
        return {
            "features": dict(self.features),
            "task": self.task,
            "classes": list(self.classes),
            "positive": self.positive,
            "threshold": self.threshold,
            "label": self.label,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        return cls(
            features=dict(data.get("features", {})),
            task=cast("Task", data.get("task", "none")),
            classes=tuple(str(item) for item in data.get("classes", ())),
            positive=data.get("positive"),
            threshold=float(data.get("threshold", 0.5)),
            label=data.get("label"),
        )
