"""Accuracy from labels that come late, twice, wrong at first or never, beside accuracy estimated without them.

Elec2 (half-hourly prices of electricity in New South Wales, 1996 to 1998: up or down; Harries 1999): a model learns
on the first fifth and serves the rest through a Session in event time. Labels come a day after their prediction and
shuffled, 3 % twice, 2 % wrong at first and corrected a day later, 10 % never. At the end the accuracy of every week
must equal, to the bit, what the labels that were sent say when they are simply compared with the predictions.

Run: python benchmarks/elec2.py elec2.parquet [--plot docs/elec2.svg] [--days-a-flush 1]
The parquet has the columns feat_1 to feat_6 and target, in the order of time. Exit code 1 where a week differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_predict

from vedette.engine.run.session import Session
from vedette.plugins import get_registry
from vedette.plugins.errors import PluginError
from vedette_specs import Batch, Schema, category, numeric

DAY = 86_400.0
WEEK = 7 * DAY
FIRST = 831_427_200.0  # 1996-05-07, a Tuesday
STEP = 1800.0
CLASSES = ("down", "up")
TWICE, WRONG, NEVER = 0.03, 0.02, 0.10
PLAN = """
version: 1
model: {name: elec2}
reference: reference.parquet
schema:
  label: answer
  task: binary
  classes: [down, up]
  positive: up
  features: {feat_1: numeric, feat_2: numeric, feat_3: numeric, feat_4: numeric, feat_5: numeric, feat_6: numeric}
labels: {within: 7d}
store: sqlite:///elec2.db
retention: 1000d
privacy: {payloads: none}
windows: {week: {span: 7d, every: 7d}}
monitors:
  performance: {metrics: [accuracy], window: week}
"""
ESTIMATED = "  estimated: {metrics: [{use: cbpe, estimate: accuracy}], window: week}\n"


@dataclass(frozen=True)
class Stream:
    """Rows to be served, in the order of time: what the model says of them, and what is true."""

    reference: Batch
    rows: Batch
    truth: np.ndarray[Any, np.dtype[np.bool_]]

    @property
    def up(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        assert self.rows.prediction is not None
        return np.asarray(self.rows.prediction.values == 1)


@dataclass
class Replayed:
    """start of the week -> what is known of it."""

    accuracy: dict[float, float] = field(default_factory=dict)
    offline: dict[float, float] = field(default_factory=dict)
    estimated: dict[float, float] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def differing(self) -> list[float]:
        """Weeks whose accuracy is not the offline one, to the bit."""
        weeks = self.accuracy.keys() | self.offline.keys()
        return sorted(w for w in weeks if self.accuracy.get(w) != self.offline.get(w))


def read(path: Path, rows: int | None = None) -> Stream:
    """The stream with the answers of a model that learnt on its first fifth. rows: serve only so many."""
    frame = pd.read_parquet(path)
    names = [name for name in frame.columns if name != "target"]
    x, y = frame[names].to_numpy(dtype=np.float64), frame["target"].to_numpy() == 1
    n = len(frame) // 5
    model = HistGradientBoostingClassifier(random_state=0)
    unseen = cross_val_predict(model, x[:n], y[:n], cv=5, method="predict_proba")  # by models that did not see them
    chances = model.fit(x[:n], y[:n]).predict_proba(x[n:])
    schema = Schema(dict.fromkeys(names, "numeric"), "binary", CLASSES, "up")
    stop = len(frame) if rows is None else min(len(frame), n + rows)
    times = FIRST + STEP * np.arange(len(frame))
    part = slice(n, stop)
    return Stream(
        _batch(schema, names, x[:n], unseen).replace(labels=_answers(y[:n])),
        _batch(schema, names, x[part], chances[: stop - n]).replace(times=times[part]),
        y[part],
    )


def _batch(schema: Schema, names: list[str], x: Any, chances: Any) -> Batch:
    inputs = {name: numeric(x[:, i]) for i, name in enumerate(names)}
    return Batch(inputs, schema, prediction=_answers(chances[:, 1] >= 0.5), probabilities=chances)


def _answers(up: Any) -> Any:
    return category(np.where(up, "up", "down"), CLASSES)


def feedback(stream: Stream, rng: np.random.Generator) -> list[tuple[float, dict[str, Any]]]:
    """(when it comes, the item) in the order of coming."""
    n = len(stream.truth)
    assert stream.rows.times is not None
    sent = rng.random(n) >= NEVER
    wrong = sent & (rng.random(n) < WRONG)
    twice = sent & (rng.random(n) < TWICE)
    comes = stream.rows.times + DAY + rng.random(n) * DAY / 2
    found = []
    for i in np.flatnonzero(sent):
        first = _item(i, stream.truth[i] ^ wrong[i], comes[i])
        found.append((comes[i], first))
        if wrong[i]:
            found.append((comes[i] + DAY, _item(i, stream.truth[i], comes[i] + DAY)))
        if twice[i]:  # the same delivery once more, some after the correction that it must not undo
            found.append((comes[i] + 2 * DAY * rng.random(), first))
    return sorted(found, key=lambda pair: pair[0])


def _item(row: int, up: Any, when: float) -> dict[str, Any]:
    return {"id": f"e{row}", "label": CLASSES[int(up)], "time": float(when)}


def serve(stream: Stream, seed: int = 0, days_a_flush: int = 1) -> Replayed:
    """Serve the stream, a day at a time, with the labels that have come by then."""
    rng = np.random.default_rng(seed)
    waiting = feedback(stream, rng)
    done = Replayed(offline=offline(stream, {item["id"] for _, item in waiting}))
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(_configured(Path(folder), stream.reference), event_time=True) as session,
    ):
        for day, (part, now) in enumerate(_days(stream.rows)):
            session.log(part, ids=part.ids, time=part.times)
            come = [item for when, item in waiting if when <= now]
            waiting = waiting[len(come) :]
            session.service.feedback(come)
            if day % days_a_flush == 0:
                session.flush()
        session.service.feedback([item for _, item in waiting])
        session.finish()
        results = list(session.results(limit=1_000_000))
        done.counters = session.service.counters()
    done.seconds = time.perf_counter() - began
    done.accuracy = {r["start"]: r["values"]["accuracy"] for r in results if r["monitor"] == "performance"}
    done.estimated = {r["start"]: r["values"]["accuracy"] for r in results if r["monitor"] == "estimated"}
    done.labels = next(r["details"]["labels"] for r in reversed(results) if r["monitor"] == "performance")
    return done


def _configured(folder: Path, reference: Batch) -> Path:
    """A monitors.yaml with its reference beside it."""
    assert reference.labels is not None
    assert reference.prediction is not None
    assert reference.probabilities is not None
    columns = {name: column.values for name, column in reference.inputs.items()}
    chances = {f"p_{name}": reference.probabilities[:, i] for i, name in enumerate(CLASSES)}
    answers = {"answer": reference.labels.to_list(), "prediction": reference.prediction.to_list()}
    pd.DataFrame({**columns, **answers, **chances}).to_parquet(folder / "reference.parquet")
    file = folder / "monitors.yaml"
    file.write_text(PLAN + (ESTIMATED if estimates() else ""))
    return file


def _days(rows: Batch) -> Iterator[tuple[Batch, float]]:
    """(the rows of a day, its end)."""
    assert rows.times is not None
    ids = np.empty(len(rows), dtype=object)
    ids[:] = [f"e{i}" for i in range(len(rows))]
    whole = rows.replace(ids=ids, rows=np.zeros(len(rows), dtype=np.int32))
    days = np.floor(rows.times / DAY)
    for day in np.unique(days):
        yield whole.take(days == day), float(day + 1) * DAY


def offline(stream: Stream, labelled: set[str]) -> dict[float, float]:
    """start of the week -> share of the rows that were ever labelled whose prediction is right."""
    assert stream.rows.times is not None
    known = np.array([f"e{i}" in labelled for i in range(len(stream.truth))])
    right = stream.up == stream.truth
    weeks = np.floor(stream.rows.times / WEEK) * WEEK
    return {
        float(week): float(np.count_nonzero(right & mine) / np.count_nonzero(mine))
        for week in np.unique(weeks)
        if (mine := known & (weeks == week)).any()
    }


def estimates() -> bool:
    """Whether this Vedette estimates accuracy without labels."""
    try:
        get_registry().find("cbpe", ("metric",))
    except PluginError:
        return False
    return True


def plot(done: Replayed, file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "vedette"
    figure, axes = plt.subplots(figsize=(8.0, 3.2), layout="constrained")
    series = {"from labels": (done.accuracy, "-"), "estimated without labels": (done.estimated, "--")}
    for name, (values, style) in series.items():
        if values:
            weeks = [np.datetime64(int(week), "s") for week in values]
            axes.plot(np.array(weeks), list(values.values()), style, label=name, linewidth=1.4)
    axes.set_ylabel("accuracy of the week")
    axes.legend(frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parquet", type=Path)
    parser.add_argument("--plot", type=Path, help="draw the weeks into this file (.svg or .png; wants matplotlib)")
    parser.add_argument("--days-a-flush", type=int, default=1)
    asked = parser.parse_args()
    stream = read(asked.parquet)
    done = serve(stream, days_a_flush=asked.days_a_flush)
    print(f"{len(stream.truth):,} rows, {len(done.offline)} weeks, {done.seconds:.1f} s")
    print(", ".join(f"{name} {n:,}" for name, n in done.counters.items() if name.startswith("labels_")))
    print(f"accuracy by week: {min(done.accuracy.values()):.3f} to {max(done.accuracy.values()):.3f}")
    if done.estimated:
        gaps = [abs(done.estimated[w] - value) for w, value in done.accuracy.items() if w in done.estimated]
        print(f"estimated without labels: mean distance {np.mean(gaps):.3f}")
    else:
        print("estimated without labels: cbpe is not installed")
    print(f"weeks that differ from the offline computation: {len(done.differing)}")
    if asked.plot is not None:
        plot(done, asked.plot)
    return 1 if done.differing else 0


if __name__ == "__main__":
    sys.exit(main())
