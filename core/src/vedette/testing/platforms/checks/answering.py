"""What a client of the model sees: the same as without monitors, and an id for its request."""

from __future__ import annotations

from uuid import uuid4

from vedette.testing.lab import CheckFailed, require
from vedette.testing.platforms.bench import Bench
from vedette.testing.platforms.model import make_rows
from vedette.testing.platforms.monitors import wait_for
from vedette.testing.platforms.platform import NotSupported, Reply

SIZES = (1, 2, 50, 1000)  # rows of a request
CHANGING = frozenset({"date"})  # headers that no two answers share


def answers_are_the_plain_ones(bench: Bench) -> None:
    """Status, headers and body of predictions are, byte for byte, those of the model that nobody watches."""
    for size in SIZES:
        rows, stamp = make_rows(size, seed=300 + size), bench.watched.stamp()
        plain = bench.plain.predict(rows, stamp)
        require(plain.status == 200, f"the plain model answers {size} rows with {plain.status}: {plain.body[:300]!r}")
        _same(bench, plain, bench.watched.predict(rows, stamp=stamp), f"{size} rows")


def errors_are_the_plain_ones(bench: Bench) -> None:
    """Requests that are wrong get the platform's own errors."""
    for name, request in bench.platform.malformed(bench.watched.stamp()).items():
        plain, watched = bench.plain.post(request), bench.watched.client.post(request)
        _same(bench, plain, watched, name)
        if watched.status == 200:  # it was not as wrong as that
            bench.watched.sent.add(1)
    bench.watched.settle()


def request_id_that_is_given_is_kept(bench: Bench) -> None:
    """A prediction is found under the X-Request-Id that its client gave."""
    name, rows = f"given-{uuid4().hex[:8]}", make_rows(3, seed=310)
    reply = bench.watched.predict(rows, name=name)
    header = bench.platform.request_id_header
    if header is not None:
        require(reply.headers.get(header) == name, f"{header} is {reply.headers.get(header)!r}, not {name!r}")
    _found(bench, name, len(rows))


def request_id_is_minted_where_none_is_given(bench: Bench) -> None:
    """A client that gives no id is told one, under which its prediction is found."""
    header = bench.platform.request_id_header
    if header is None:
        raise NotSupported(f"{bench.platform.name}: responses do not carry a request id")
    rows = make_rows(2, seed=311)
    names = [bench.watched.predict(rows).headers.get(header) for _ in range(3)]
    require(None not in names and "" not in names, f"a response has no {header}: {names}")
    require(len(set(names)) == len(names), f"requests have the same {header}: {names}")
    for name in names:
        _found(bench, str(name), len(rows))


def requests_can_be_left_out(bench: Bench) -> None:
    """A request with Seldon-Skip-Logging, as explainers send it, is answered and not counted."""
    header = bench.platform.skip_header
    if header is None:
        raise NotSupported(f"{bench.platform.name}: requests cannot ask to be left out")
    name, rows, stamp = f"skipped-{uuid4().hex[:8]}", make_rows(5, seed=312), bench.watched.stamp()
    headers = {header: "true", "x-request-id": name}
    _same(bench, bench.plain.predict(rows, stamp), bench.watched.client.predict(rows, stamp, headers), "skipped")
    bench.watched.predict(rows)  # what comes after it has arrived: it would have, too
    bench.watched.settle()
    require(bench.watched.monitors.prediction(name) == [], "a request that asked to be left out is stored")


def _same(bench: Bench, plain: Reply, watched: Reply, what: str) -> None:
    if plain.status != watched.status:
        raise CheckFailed(f"{what}: status {watched.status}, {plain.status} without monitors: {watched.body[:300]!r}")
    left, right = bench.platform.comparable(plain), bench.platform.comparable(watched)
    if left != right:
        raise CheckFailed(f"{what}: {watched.status} {right[:300]!r}, without monitors {left[:300]!r}")
    changing = CHANGING | bench.platform.changing_headers | {bench.platform.request_id_header}
    for name in sorted((watched.headers.keys() | plain.headers.keys()) - changing):
        ours, theirs = watched.headers.get(name), plain.headers.get(name)
        require(ours == theirs, f"{what}: {name} is {ours!r}, without monitors {theirs!r}")


def _found(bench: Bench, name: str, count: int) -> None:
    stored = wait_for(
        lambda: bench.watched.monitors.prediction(name), lambda: f"no prediction is stored under {name!r}"
    )
    numbers = [row["row"] for row in stored]
    require(numbers == list(range(count)), f"of {count} rows of {name!r} are stored: {numbers}")
