"""A pool's service stops after the model: a signal waits until no tap is heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

CODE = """
import asyncio, signal, sys, time
from vedette_bentoml.lingering import Lingering

async def main():
    stopped = asyncio.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())  # as a server does
    heard = [time.monotonic()]
    Lingering(lambda: heard[0], still=float(sys.argv[1]), longest=float(sys.argv[2])).begin()
    print("ready", flush=True)

    async def taps():
        for _ in range(int(sys.argv[3])):
            await asyncio.sleep(0.2)
            heard[0] = time.monotonic()

    asyncio.create_task(taps())
    while not stopped.is_set():
        await asyncio.sleep(0.02)
    print("still", time.monotonic() - heard[0], flush=True)

asyncio.run(main())
"""


def seconds(still: float, longest: float, messages: int, signals: int = 1) -> tuple[float, float]:
    """(from the first signal to the end, from the last message to the end)."""
    arguments = [str(value) for value in (still, longest, messages)]
    with subprocess.Popen([sys.executable, "-c", CODE, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        begun = time.monotonic()
        for _ in range(signals):
            os.kill(process.pid, signal.SIGTERM)
            time.sleep(0.05)
        said = process.stdout.read().split()
        assert process.wait(30) == 0
        return time.monotonic() - begun, float(said[1])


def test_it_waits_until_no_tap_is_heard() -> None:
    took, quiet = seconds(0.7, 60.0, 8)
    assert took > 8 * 0.2 - 0.1
    assert quiet >= 0.7


def test_it_does_not_wait_for_ever() -> None:
    took, quiet = seconds(5.0, 1.0, 1000)
    assert took >= 1.0
    assert quiet < 5.0


def test_a_second_signal_ends_nothing_early() -> None:
    """Ctrl-C comes from the terminal, and from BentoML once more."""
    _, quiet = seconds(0.7, 60.0, 5, signals=3)
    assert quiet >= 0.7


def test_without_any_tap_it_waits_once() -> None:
    took, _ = seconds(0.5, 60.0, 0)
    assert took >= 0.5
