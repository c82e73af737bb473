"""Transports and receivers that are slow, dead, busy or lose acknowledgements: what a tap meets in the field."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from vedette.config.plan import CaptureSpec
from vedette.engine.capture import Call
from vedette.engine.message import Message, TapPlan
from vedette.engine.tap.settings import Timing
from vedette.engine.tap.tap import Tap
from vedette.engine.tap.transport import Busy, TransportError
from vedette_specs import Batch, Schema

Make = Callable[..., Tap]
SCHEMA = Schema({"age": "numeric", "work": "category"}, "binary", ("<=50K", ">50K"), ">50K", 0.5, "income")
FAST = Timing(
    flush_every=0.01,
    linger=0.01,
    send_timeout=1.0,
    first_retry=0.01,
    longest_retry=0.05,
    heartbeat=0.1,
    refresh=0.05,
    adopt_every=0.1,
)


def plan(*pools: str, digest: str = "d", schema: Schema = SCHEMA, **capture: object) -> TapPlan:
    redact = capture.pop("redact", ())
    return TapPlan(digest, schema, pools or ("default",), CaptureSpec(**capture), redact)  # type: ignore[arg-type]


def call(i: int, **changes: object) -> Call:
    return Call({"age": i, "work": "a"}, {"prediction": ">50K"}, **changes)  # type: ignore[arg-type]


class Receiver:
    """What a worker does with messages: keeps each number of a producer once."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.heartbeats: list[Message] = []
        self.duplicates = 0
        self.at: list[float] = []
        self._last: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def apply(self, data: bytes) -> None:
        message = Message.from_bytes(data)
        with self._lock:
            if message.seq == 0:
                self.heartbeats.append(message)
            elif message.seq <= self._last[message.producer]:
                self.duplicates += 1
            else:
                self._last[message.producer] = message.seq
                self.messages.append(message)
                self.at.append(time.time())

    def batches(self, schema: Schema = SCHEMA) -> list[Batch]:
        return [Batch.from_bytes(m.batch, schema) for m in list(self.messages) if m.batch is not None]

    def ages(self) -> list[float]:
        return [float(v) for batch in self.batches() for v in batch.inputs["age"].values]

    def rows(self) -> int:
        return sum(m.rows for m in self.messages)


class Wire:
    """A transport with receivers by pool, and a rule for what happens on the way."""

    def __init__(self, *pools: str, fault: Callable[[str, int, Callable[[], None]], None] | None = None) -> None:
        self.receivers = {pool: Receiver() for pool in pools or ("default",)}
        self.plan = plan(*self.receivers)
        self.fault = fault
        self.attempts: list[tuple[str, bytes]] = []
        self.described = 0
        self.closed = False

    def __getitem__(self, pool: str) -> Receiver:
        return self.receivers[pool]

    def describe(self) -> TapPlan:
        self.described += 1
        return self.plan

    def send(self, pool: str, message: bytes, timeout: float) -> None:
        if Message.from_bytes(message).seq:
            self.attempts.append((pool, message))
        deliver = lambda: self.receivers[pool].apply(message)  # noqa: E731
        if self.fault is None:
            deliver()
        else:
            self.fault(pool, len(self.attempts), deliver)

    def close(self) -> None:
        self.closed = True


def dead(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
    raise TransportError("connection refused", arrived=False)


def silent(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
    raise TransportError("timed out")


def raising(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
    raise ZeroDivisionError("a bug of the transport")


def slow(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
    time.sleep(0.05)
    deliver()


def loses_acks(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
    """Commits, then fails: every first and second attempt."""
    deliver()
    if attempt % 3:
        raise TransportError("connection reset after the commit")


def busy(pool: str, attempt: int, deliver: Callable[[], None]) -> None:
    if attempt % 2:
        raise Busy(0.2)
    deliver()


def until(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())
