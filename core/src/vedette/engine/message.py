"""What a tap ships to a pool, and what it must know to do so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vedette.config.plan import CaptureSpec, Plan
from vedette_specs.codec import CodecError, decode, encode
from vedette_specs.schema import Schema

VERSION = 1


@dataclass(frozen=True)
class Message:
    """One shipment of one producer to one pool.

    seq: from 1, the same on every retry; 0 for a heartbeat, which carries no batch and is not counted.
    low: least event time that the producer still holds for this pool once this message is delivered.
    counters: cumulative over the producer's life, so that arriving twice does no harm.
    """

    producer: str
    seq: int
    low: float
    batch: bytes | None = None
    rows: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    model_version: str = ""

    def to_bytes(self) -> bytes:
        return encode({"v": VERSION, **self.__dict__})

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Message:
        """Raises CodecError where the bytes are no message of a version that this process knows."""
        parts = decode(data)
        if not isinstance(parts, dict) or parts.pop("v", None) != VERSION:
            raise CodecError(f"not a message of version {VERSION}")
        try:
            message = cls(**parts)
        except TypeError as error:
            raise CodecError(f"not a message: {error}") from error
        if fault := message.fault():
            raise CodecError(f"not a message: {fault}")
        return message

    def fault(self) -> str | None:
        """What is wrong with a field, if anything: one bad message must not spoil those committed with it."""
        if not isinstance(self.producer, str) or not 1 <= len(self.producer) <= 64:
            return f"producer: {self.producer!r} is not a text of 1 to 64 characters"
        for name, value in (("seq", self.seq), ("rows", self.rows)):
            if type(value) is not int or not 0 <= value < 2**62:
                return f"{name}: {value!r} is not a whole number from 0 to 2^62"
        if type(self.low) not in (int, float) or not -1e15 < self.low < 1e15:
            return f"low: {self.low!r} is not a time in seconds"
        if self.batch is not None and not isinstance(self.batch, bytes):
            return "batch: not bytes"
        if not isinstance(self.model_version, str) or len(self.model_version) > 128:
            return "model_version: not a text of at most 128 characters"
        if not isinstance(self.counters, Mapping) or len(self.counters) > 256:
            return "counters: not a mapping of at most 256 names"
        odd = [name for name, value in self.counters.items() if type(value) is not int or not 0 <= value < 2**62]
        return f"counters.{odd[0]}: not a whole number from 0 to 2^62" if odd else None


@dataclass(frozen=True)
class TapPlan:
    """What a tap needs to know of the monitors; learnt at run time, so that monitors change without the model."""

    digest: str
    schema: Schema
    pools: tuple[str, ...]
    capture: CaptureSpec = field(default_factory=CaptureSpec)
    redact: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: Plan, digest: str) -> TapPlan:
        return cls(digest, plan.schema, plan.worker_pools, plan.capture, plan.privacy.redact)

    def to_json(self) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "schema": self.schema.to_json(),
            "pools": list(self.pools),
            "capture": {**self.capture.__dict__, "attributes": dict(self.capture.attributes)},
            "redact": list(self.redact),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TapPlan:
        return cls(
            digest=data["digest"],
            schema=Schema.from_json(data["schema"]),
            pools=tuple(data["pools"]),
            capture=CaptureSpec(**data["capture"]),
            redact=tuple(data["redact"]),
        )
