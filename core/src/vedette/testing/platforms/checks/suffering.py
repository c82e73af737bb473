"""Monitors that are slow, broken or deadly cost the model nothing, and other monitors nothing either."""

from __future__ import annotations

import time

from vedette.testing.lab import require, same
from vedette.testing.platforms.bench import Bench
from vedette.testing.platforms.configuration import RAISING, SLEEPY
from vedette.testing.platforms.model import make_rows
from vedette.testing.platforms.monitors import wait_for
from vedette.testing.platforms.moody import POISON, SLOW
from vedette.testing.platforms.platform import NotSupported

REQUESTS, ROWS = 30, 20
DEATHS = 180.0  # seconds for three workers to die of a batch and to be started again, on a busy machine


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


def a_batch_that_kills_its_workers_is_parked(bench: Bench) -> None:
    """It is put aside and told after a few deaths; the model answers meanwhile, and all other rows are counted."""
    watched = bench.watched
    if not bench.platform.monitors_apart:
        raise NotSupported(f"{bench.platform.name}: a monitor that kills its process kills the model's")
    watched.settle()
    before = watched.monitors.counters()
    (poisoned,) = make_rows(1, seed=670)
    poisoned[next(iter(poisoned))] = POISON
    watched.mood(SLEEPY, "die")

    def parked() -> bool:
        return watched.monitors.counters()["poisoned_batches"] == before["poisoned_batches"] + 1

    try:
        stamp = watched.stamp()
        replies = [client.predict([poisoned], stamp) for client in (bench.plain, watched.client)]
        require(replies[1].status == 200, f"the poisoned row is answered with {replies[1].status}")
        left, right = map(bench.platform.comparable, replies)
        require(left == right, f"the poisoned row is answered with {right[:300]!r}, without monitors {left[:300]!r}")
        time.sleep(0.5)  # so that few requests share its batch
        for i in range(REQUESTS // 3):  # while workers die
            watched.predict(make_rows(ROWS, seed=680 + i))
            time.sleep(0.2)
        wait_for(parked, lambda: f"no batch is told as poisoned: {watched.monitors.counters()}", DEATHS)
        beside = watched.monitors.counters()["poisoned_rows"] - before["poisoned_rows"] - 1
        require(0 <= beside <= 3 * ROWS, f"{beside} good rows were in the poisoned batch")
        watched.sent.rows -= beside
        watched.predict(make_rows(ROWS, seed=695))
        watched.settle()
    finally:
        watched.mood(SLEEPY, "good")
