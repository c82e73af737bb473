"""A transport that keeps what it was sent, and the same as Serve deployments: what the monitors would receive."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from fastapi import FastAPI
from ray import serve

from vedette.engine.message import Message, TapPlan
from vedette.engine.tap.transport import Busy
from vedette_rayserve.names import CONTROL, pool_deployment
from vedette_rayserve.reply import Reply, reply
from vedette_specs.batch import Batch, concat
from vedette_specs.schema import Schema

SCHEMA = Schema(features={"a": "numeric", "b": "numeric"}, task="binary", classes=("no", "yes"), positive="yes")
PLAN = TapPlan(digest="sha256:test", schema=SCHEMA, pools=("default",))
KEPT: dict[str, list[Message]] = defaultdict(list)


class Recorder:
    """A Transport. monitors: the name under which the messages are kept."""

    def __init__(self, monitors: str) -> None:
        self.kept = KEPT[monitors]

    def describe(self) -> TapPlan:
        return PLAN

    def send(self, pool: str, message: bytes, timeout: float) -> None:
        self.kept.append(Message.from_bytes(message))

    def close(self) -> None:
        """Nothing is held."""


class Broken:
    def __init__(self, monitors: str) -> None:
        raise RuntimeError("no transport today")


def rows_of(messages: list[Message]) -> Batch | None:
    batches = [Batch.from_bytes(m.batch, SCHEMA) for m in messages if m.batch is not None]
    return concat(batches) if batches else None


def wait_for(condition: Any, timeout: float = 10.0) -> Any:
    """The first true value of `condition()`."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout} s: {condition}")


@serve.deployment(
    name=pool_deployment("default"), max_ongoing_requests=8, max_queued_requests=8, ray_actor_options={"num_cpus": 0.1}
)
class RecordingPool:
    """Takes messages like a pool; told how to misbehave through `behave`."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.mode = "good"

    def apply(self, message: bytes) -> Reply:
        return reply(lambda: self._apply(message))

    def _apply(self, message: bytes) -> None:
        if self.mode == "busy":
            raise Busy(0.1)
        if self.mode == "slow":
            time.sleep(3.0)
        Message.from_bytes(message)
        self.messages.append(message)

    def behave(self, mode: str) -> None:
        self.mode = mode

    def kept(self) -> list[bytes]:
        return self.messages


api = FastAPI()


@serve.deployment(name=CONTROL, max_queued_requests=8, ray_actor_options={"num_cpus": 0.1})
@serve.ingress(api)
class RecordingControl:
    def __init__(self, pool: Any) -> None:
        self.pool = pool

    def vedette_describe(self) -> Reply:
        return ("ok", PLAN.to_json())


def recording_monitors() -> Any:
    return RecordingControl.bind(RecordingPool.bind())  # type: ignore[attr-defined]
