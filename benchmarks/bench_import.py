"""Seconds that `import vedette` takes in a fresh interpreter (goal: at most 0.3), beside an empty one and numpy alone.

python benchmarks/bench_import.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 10
GOAL = 0.3
CODE = {"nothing": "", "import numpy": "import numpy", "import vedette": "import vedette"}


def seconds(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun


def main() -> None:
    for code in CODE.values():
        seconds(code)  # bytecode is compiled and files are in memory
    found = {name: [] for name in CODE}
    for _ in range(RUNS):  # in turn, so that noise hits all alike
        for name, code in CODE.items():
            found[name].append(seconds(code))
    medians = {name: statistics.median(times) for name, times in found.items()}
    print(f"{'fresh interpreter':<18}{'median s':>10}{'least s':>10}")
    for name, times in found.items():
        print(f"{name:<18}{medians[name]:>10.3f}{min(times):>10.3f}")
    alone = medians["import vedette"] - medians["nothing"]
    print(f"the import alone: {alone:.3f} s (goal: at most {GOAL} s{'' if alone <= GOAL else ', MISSED'})")


if __name__ == "__main__":
    main()
