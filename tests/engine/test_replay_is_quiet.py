"""Replays and backfills tell nobody of the past, unless asked to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import func, select

import vedette
from vedette.config.loading import load_all
from vedette.engine.bundle import build_bundle
from vedette.engine.run.logged import read_rows
from vedette.engine.run.replay import replay
from vedette.engine.work.worker import WorkerSettings
from vedette.plugins import get_registry
from vedette.store.database import Store
from vedette.store.tables import outbox

YAML = """\
version: 1
model: {name: quiet}
reference: reference.csv
store: sqlite:///store.db
monitors:
  drift: {detect: ks, window: 100 rows}
sinks: {pager: {use: file, path: events.jsonl, events: [alert]}}
"""
FAST = WorkerSettings(reduce_every=0.02, deliver_every=0.02, checkpoint_every=0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rows that drift, so that an alert fires."""
    rng = np.random.default_rng(0)
    pd.DataFrame({"x": rng.normal(size=300)}).to_csv(tmp_path / "reference.csv", index=False)
    moved = pd.DataFrame({"x": rng.normal(3.0, 1.0, 300), "time": 1_700_000_000 + np.arange(300)})
    moved.to_csv(tmp_path / "live.csv", index=False)
    (tmp_path / "monitors.yaml").write_text(YAML)
    return tmp_path


def by_replay(folder: Path, **sinks: bool) -> int:
    """How many alerts fired."""
    loaded = load_all([folder / "monitors.yaml"])
    bundle = build_bundle(loaded.plan, get_registry(), loaded.reference)
    rows = read_rows(folder / "live.csv", loaded.plan)
    service = replay(bundle, get_registry(), rows, store=loaded.plan.store, **sinks)
    assert service.bundle.digest == bundle.digest
    found = len(service.alerts())
    service.store.close()
    return found


def by_session(folder: Path, **sinks: bool) -> int:
    live = pd.read_csv(folder / "live.csv")
    with vedette.Session(folder / "monitors.yaml", event_time=True, settings=FAST, **sinks) as session:
        session.log(live[["x"]], time=live["time"])
        session.finish()
        while session.runtime.workers["default"].dispatcher.step():
            pass
        return len(session.alerts())


@pytest.mark.parametrize("run", [by_replay, by_session])
@pytest.mark.parametrize("sinks", [{}, {"sinks": False}, {"sinks": True}])
def test_sinks_hear_of_the_past_only_when_asked_to(
    folder: Path, run: Callable[..., int], sinks: dict[str, bool]
) -> None:
    assert run(folder, **sinks) >= 1
    told = (folder / "events.jsonl").exists()
    assert told is sinks.get("sinks", False)
    store = Store(f"sqlite:///{folder}/store.db")
    with store.read() as connection:  # nothing waits there for a server that runs on this store later
        waiting = connection.scalar(select(func.count()).where(outbox.c.delivered.is_(None)).select_from(outbox))
    store.close()
    assert waiting == 0
