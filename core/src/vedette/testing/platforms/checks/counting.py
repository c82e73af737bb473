"""Every row counts once, and labels find theirs."""

from __future__ import annotations

from uuid import uuid4

from vedette.testing.lab import require
from vedette.testing.platforms.bench import Bench, Watched
from vedette.testing.platforms.model import answer, make_rows
from vedette.testing.platforms.monitors import wait_for

REQUESTS, ROWS = 60, 10
DROPPED = frozenset({"vedette_dropped_calls_total", "vedette_dropped_rows_total"})


def every_row_is_counted_once(bench: Bench) -> None:
    """Rows of requests from several threads at once are counted exactly, in every monitor."""
    watched = bench.watched
    watched.predict_many([make_rows(ROWS, seed=400 + i) for i in range(REQUESTS)])
    watched.settle()
    for item in watched.monitors.get("api/monitors"):
        if item["status"] == "active":
            rows = item["rows"]
            require(rows == watched.sent.rows, f"{item['name']}: {rows} rows, {watched.sent.rows} were sent")
    said = {name for name in watched.monitors.metrics() if "dropped" in name}
    require(said >= DROPPED, f"metrics name what was dropped as {sorted(said)}, not {sorted(DROPPED)}")


def labels_find_their_predictions(bench: Bench) -> None:
    """Labels count whether they come after or before their prediction; of two, the later one."""
    watched = bench.watched
    watched.settle()
    before = int(watched.monitors.monitor("performance")["labelled_rows"])
    key = uuid4().hex[:8]
    after, early, twice = (f"{word}-{key}" for word in ("after", "early", "twice"))
    rows = make_rows(4, seed=420)
    labels = answer(rows)["predictions"]
    watched.monitors.feedback([{"id": early, "labels": labels}])
    for name in (after, early, twice):
        watched.predict(rows, name=name)
    watched.monitors.feedback([{"id": after, "labels": labels}, {"id": twice, "row": 2, "label": "no"}])
    _labelled(watched, twice, [None, None, "no", None])
    watched.monitors.feedback([{"id": twice, "row": 2, "label": "yes"}])
    watched.monitors.feedback([{"id": after, "labels": labels}])  # as a client does that got no answer
    _labelled(watched, after, labels)
    _labelled(watched, early, labels)
    _labelled(watched, twice, [None, None, "yes", None])
    wanted = before + 2 * len(rows) + 1

    def labelled() -> int:
        return int(watched.monitors.monitor("performance")["labelled_rows"])

    wait_for(lambda: labelled() == wanted, lambda: f"{labelled()} labelled rows, {wanted} expected")


def _labelled(watched: Watched, name: str, labels: list[str | None]) -> None:
    def look() -> list[str | None]:
        return [row["label"] for row in watched.monitors.prediction(name)]

    wait_for(lambda: look() == labels, lambda: f"labels of {name} are {look()}, not {labels}")
