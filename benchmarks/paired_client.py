"""The client of paired rounds, in a process of its own that starts fast: a closed loop on a few connections.

python benchmarks/paired_client.py URL SECONDS CONNECTIONS ROWS COLUMNS [instances | dataframe_split]
"""

from __future__ import annotations

import http.client
import json
import random
import statistics
import sys
import threading
import time


def main(url: str, seconds: float, connections: int, rows: int, columns: int, form: str) -> None:
    """Prints count, seconds, and the median and 99th percentile of the latencies in milliseconds, as JSON."""
    host, _, path = url.removeprefix("http://").partition("/")
    draw = random.Random(0)
    values = [[[round(draw.gauss(), 4) for _ in range(columns)] for _ in range(rows)] for _ in range(64)]
    names = [f"x{i}" for i in range(columns)]
    split = form == "dataframe_split"
    bodies = [json.dumps({form: {"columns": names, "data": part} if split else part}).encode() for part in values]
    latencies: list[list[float]] = [[] for _ in range(connections)]
    begun = time.perf_counter()

    def loop(found: list[float]) -> None:
        connection = http.client.HTTPConnection(host)
        headers = {"Content-Type": "application/json"}
        while (start := time.perf_counter()) - begun < seconds:
            connection.request("POST", f"/{path}", bodies[len(found) % len(bodies)], headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"the model answered {answer.status}")
            found.append((time.perf_counter() - start) * 1000)
        connection.close()

    threads = [threading.Thread(target=loop, args=(found,)) for found in latencies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    every = [value for found in latencies for value in found]
    p99 = statistics.quantiles(every, n=100)[98]
    print(json.dumps({"count": len(every), "seconds": took, "p50": statistics.median(every), "p99": p99}))


if __name__ == "__main__":
    url, seconds, *rest = sys.argv[1:]
    main(url, float(seconds), *map(int, rest[:3]), rest[3] if len(rest) > 3 else "instances")
