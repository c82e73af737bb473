"""Monitors that are slow or broken cost the model nothing, and other monitors nothing either."""

from __future__ import annotations

import time

from vedette.testing.lab import require, same
from vedette.testing.platforms.bench import Bench
from vedette.testing.platforms.configuration import RAISING, SLEEPY
from vedette.testing.platforms.model import make_rows
from vedette.testing.platforms.monitors import wait_for
from vedette.testing.platforms.moody import SLOW

REQUESTS, ROWS = 30, 20


def slow_monitors_do_not_slow_the_model(bench: Bench) -> None:
    """A monitor that takes 2 s a batch is waited for by nobody, and in the end every row is counted."""
    watched = bench.watched
    watched.settle()
    watched.mood(SLEEPY, "slow")
    try:
        seconds = []
        for i in range(REQUESTS):
            begun = time.monotonic()
            watched.predict(make_rows(ROWS, seed=600 + i))
            seconds.append(time.monotonic() - begun)
    finally:
        watched.mood(SLEEPY, "good")
    # half of them, so that a busy machine fails nobody; answers that wait for the monitor would all take longer
    median = sorted(seconds)[len(seconds) // 2]
    require(median < SLOW / 2, f"half of the answers took more than {median:.2f} s while a monitor took {SLOW:g} s")
    watched.settle()


def a_monitor_that_raises_is_quarantined_alone(bench: Bench) -> None:
    """It is put out of the way with a reason, its rows are told as missing, and the others count on."""
    watched = bench.watched
    watched.settle()
    counted = watched.counted(RAISING)
    watched.mood(RAISING, "raise")

    def look() -> bool:
        return bool(watched.monitors.monitor(RAISING)["status"] == "quarantined")

    try:
        watched.predict_many([make_rows(ROWS, seed=650 + i) for i in range(5)])
        wait_for(look, lambda: f"the raising monitor is {watched.monitors.monitor(RAISING)['status']!r}")
        watched.predict(make_rows(ROWS, seed=660))
        watched.settle()
    finally:
        watched.mood(RAISING, "good")  # a site that is served again tries its monitors on the reference
    state = watched.monitors.monitor(RAISING)
    require("told to raise" in str(state["reason"]), f"the reason is {state['reason']!r}")
    total = state["rows"] + state["missing_rows"]
    require(total == watched.sent.rows, f"rows and missing rows are {total}, {watched.sent.rows} were sent: {state}")
    require(state["rows"] >= counted, f"{state['rows']} rows, {counted} before it raised")
    others = {m["name"]: m["status"] for m in watched.monitors.get("api/monitors") if m["name"] != RAISING}
    same(others, dict.fromkeys(others, "active"), 0.0, "other monitors")
