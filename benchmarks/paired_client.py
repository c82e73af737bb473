"""The client of paired rounds, in a process of its own that starts fast: a closed loop on a few connections.

python benchmarks/paired_client.py URL SECONDS CONNECTIONS ROWS COLUMNS [instances | dataframe_split [RATE]]

With a rate (requests a second, of all connections together) requests have a timetable, and latencies count from the
time at which a request was due: one that is late makes those behind it late, too.
"""

from __future__ import annotations

import http.client
import json
import random
import statistics
import sys
import threading
import time


def main(url: str, seconds: float, connections: int, rows: int, columns: int, form: str, rate: float = 0.0) -> None:
    """Prints count, seconds, and the median and 99th percentile of the latencies in milliseconds, as JSON."""
    host, _, path = url.removeprefix("http://").partition("/")
    draw = random.Random(0)
    values = [[[round(draw.gauss(), 4) for _ in range(columns)] for _ in range(rows)] for _ in range(64)]
    names = [f"x{i}" for i in range(columns)]
    split = form == "dataframe_split"
    bodies = [json.dumps({form: {"columns": names, "data": part} if split else part}).encode() for part in values]
    latencies: list[list[float]] = [[] for _ in range(connections)]
    begun = time.perf_counter()

    def due(number: int, done: int) -> float:
        """When a connection's next request is to be sent."""
        if not rate:
            return time.perf_counter()
        at = begun + (done * connections + number) / rate
        time.sleep(max(0.0, at - time.perf_counter()))
        return at

    def loop(number: int, found: list[float]) -> None:
        connection = http.client.HTTPConnection(host)
        headers = {"Content-Type": "application/json"}
        while (start := due(number, len(found))) - begun < seconds:
            connection.request("POST", f"/{path}", bodies[len(found) % len(bodies)], headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"the model answered {answer.status}")
            found.append((time.perf_counter() - start) * 1000)
        connection.close()

    threads = [threading.Thread(target=loop, args=part) for part in enumerate(latencies)]
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
    form, rate = [*rest[3:], *("instances", "0")[len(rest) - 3 :]]
    main(url, float(seconds), *map(int, rest[:3]), form, float(rate))
