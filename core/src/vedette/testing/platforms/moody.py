"""A plugin whose metric is slow, raises, or kills its process when a file tells it to: what monitors must survive."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

from vedette_specs import Batch, Component, Metric, Result, ResultContext, State
from vedette_specs.hooks import hookimpl

SLOW = 2.0  # seconds a batch
POISON = 1e6  # a value of the first feature that kills whoever counts it
_METADATA = "Metadata-Version: 2.1\nName: vedette-moody\nVersion: 1.0\n"


class Moody(Metric):
    """Counts rows. mood: a file with one of `good`, `slow`, `raise`, `die` (on poisoned batches); good when absent."""

    def __init__(self, mood: str) -> None:
        self.mood = mood

    def create(self) -> State:
        return {"n": 0}

    def add(self, state: State, batch: Batch) -> State:
        mood = self._mood()
        if mood == "slow":
            time.sleep(SLOW)
        elif mood == "raise":
            raise ZeroDivisionError("told to raise")
        elif mood == "die" and (next(iter(batch.inputs.values())).values == POISON).any():
            os._exit(9)
        return {"n": state["n"] + len(batch)}

    def merge(self, left: State, right: State) -> State:
        return {"n": left["n"] + right["n"]}

    def result(self, state: State, ctx: ResultContext) -> Result:
        return Result({"rows": float(state["n"])}, state["n"])

    def _mood(self) -> str:
        path = Path(self.mood)
        return path.read_text() if path.exists() else "good"


@hookimpl
def vedette_register_metrics() -> Iterable[Component]:
    return [Component("metric", "moody", f"{__name__}:Moody", "Counts rows, and misbehaves when told to")]


def install(folder: Path) -> Path:
    """Metadata as an installer writes it: where `folder` is on the path, this module is the plugin `moody`."""
    info = folder / "vedette_moody-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(_METADATA)
    (info / "entry_points.txt").write_text(f"[vedette.v1]\nmoody = {__name__}\n")
    return folder
