"""Monitors that are away, sites that are stopped, and what a replay says of it all."""

from __future__ import annotations

from vedette.testing.lab import require
from vedette.testing.platforms import comparing
from vedette.testing.platforms.bench import Bench, Watched
from vedette.testing.platforms.configuration import BUFFER_ROWS
from vedette.testing.platforms.model import make_rows
from vedette.testing.platforms.monitors import wait_for

ROWS = 100


def rows_that_monitors_missed_are_counted_as_dropped(bench: Bench) -> None:
    """Without its monitors the model answers as before; what its buffer could not keep is counted in `metrics`."""
    watched = bench.watched
    watched.settle()
    before = _dropped(watched)
    buffers = BUFFER_ROWS * bench.platform.processes
    requests = [make_rows(ROWS, seed=700 + i) for i in range((buffers + 2 * BUFFER_ROWS) // ROWS)]
    watched.site.stop_monitors()
    try:
        stamp = watched.stamp()
        plain = [bench.platform.comparable(bench.plain.predict(rows, stamp)) for rows in requests[:2]]
        replies = watched.predict_many(requests)
        require(
            [bench.platform.comparable(reply) for reply in replies[:2]] == plain,
            "without its monitors the model answers something else",
        )
    finally:
        watched.site.start_monitors()
    watched.predict(make_rows(1, seed=710))  # taps tell their counts with their rows

    def accounted() -> int:
        return watched.counted() + _dropped(watched) - before

    wait_for(
        lambda: accounted() == watched.sent.rows,
        lambda: f"{watched.sent.rows} rows sent; {watched.counted()} counted, {_dropped(watched) - before} dropped",
    )
    lost = _dropped(watched) - before
    least = len(requests) * ROWS - buffers
    require(lost >= least - ROWS, f"{lost} rows are told as dropped; buffers of {buffers} rows lose {least}")
    watched.sent.rows -= lost
    watched.settle()


def shutdown_loses_nothing(bench: Bench) -> None:
    """All that was answered before the site was stopped in good order is in its store, and counted."""
    watched = bench.watched
    watched.settle()
    watched.predict_many([make_rows(ROWS // 10, seed=720 + i) for i in range(40)])
    watched.stop()
    with bench.platform.look(watched.setting) as afterwards:
        watched.settle(watched.monitors_of(afterwards))


def results_are_those_of_a_replay(bench: Bench) -> None:
    """Results of served rows equal those of a replay of the same rows: counts exactly, floats to 1e-9."""
    found = comparing.recorded_results(bench.watched)
    comparing.same_results(found, comparing.replayed_results(bench.watched), bench.watched.recording)


def _dropped(watched: Watched) -> int:
    said = watched.monitors.metrics()
    return int(said["vedette_dropped_rows_total"] + ROWS * said["vedette_dropped_calls_total"])
