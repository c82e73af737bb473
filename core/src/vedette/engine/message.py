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
            return cls(**parts)
        except TypeError as error:
            raise CodecError(f"not a message: {error}") from error


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
