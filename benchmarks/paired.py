"""Paired rounds of one model, plain and watched, in one run: what bench_rayserve.py and bench_mlflow.py share."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAUSE = 1.5  # seconds between rounds: the monitors finish what the last round gave them
CLIENT = Path(__file__).parent / "paired_client.py"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Round:
    rate: float  # requests a second
    p50: float  # milliseconds
    p99: float
    model: float  # CPU milliseconds a request, of the model's processes
    monitors: float  # the same of the monitors' processes


def options_of(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a round")
    parser.add_argument("--blocks", type=int, default=3, help="of four rounds")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--rows", type=int, default=1, help="of a request")
    parser.add_argument(
        "--rate", type=float, default=0.0,
        help="requests a second, on a timetable: latencies of a model with time to spare (default: as fast as it can)",
    )  # fmt: skip
    return parser


def cpu(pid: int) -> float:
    """CPU milliseconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / TICKS


def compare(
    urls: Mapping[str, str],
    model: Mapping[str, Sequence[int]],
    monitors: Sequence[int],
    options: argparse.Namespace,
    columns: int,
    form: str = "instances",
) -> dict[str, list[Round]]:
    """Rounds alternate plain, watched, watched, plain; the first block warms up. model, monitors: process ids."""
    rounds: dict[str, list[Round]] = {"plain": [], "watched": []}
    for number in range(options.blocks + 1):
        for name in ("plain", "watched", "watched", "plain"):
            found = _measure(urls[name], model[name], monitors, options, columns, form)
            if number:
                rounds[name].append(found)
    return rounds


def _measure(
    url: str, model: Sequence[int], monitors: Sequence[int], options: argparse.Namespace, columns: int, form: str
) -> Round:
    before, others = sum(map(cpu, model)), sum(map(cpu, monitors))
    numbers = [str(number) for number in (options.seconds, options.connections, options.rows, columns)]
    command = [sys.executable, str(CLIENT), url, *numbers, form, str(options.rate)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    time.sleep(PAUSE)  # what the tap and the monitors do a little later is part of what a request costs
    count = said["count"]
    mine, rest = (sum(map(cpu, model)) - before) / count, (sum(map(cpu, monitors)) - others) / count
    return Round(count / said["seconds"], said["p50"], said["p99"], mine, rest)


def report(rounds: Mapping[str, Sequence[Round]]) -> None:
    print(f"{'':<10}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'model CPU ms':>16}{'monitors CPU ms':>17}")
    for name, found in rounds.items():
        rate, p50, p99, model, monitors = (
            statistics.median(getattr(one, field) for one in found)
            for field in ("rate", "p50", "p99", "model", "monitors")
        )
        print(f"{name:<10}{rate:>12.0f}{p50:>9.2f}{p99:>9.2f}{model:>16.3f}{monitors:>17.3f}")
    for field, text in (("rate", "throughput, watched / plain"), ("model", "model's CPU, watched / plain")):
        ratios = block_ratios(rounds, field)
        spread = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else float("nan")
        shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
        middle = statistics.median(ratios)
        print(f"{text}: median {middle:.3f}, mean {statistics.mean(ratios):.3f} +- {spread:.3f}  (blocks: {shown})")


def block_ratios(rounds: Mapping[str, Sequence[Round]], field: str) -> list[float]:
    """Of each plain, watched, watched, plain."""
    sums = {
        name: [sum(getattr(one, field) for one in found[start : start + 2]) for start in range(0, len(found), 2)]
        for name, found in rounds.items()
    }
    return [watched / plain for watched, plain in zip(sums["watched"], sums["plain"], strict=True)]
