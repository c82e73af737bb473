"""What an adapter of a serving platform gives the suite: how the kit's model is served, and what a client sends."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from vedette.testing.lab import CheckSkipped

Row = Mapping[str, float | None]  # a, b, c; None is a missing value
TIME = "x-time"  # headers that the kit's requests carry, if the platform does not say otherwise
REGION = "x-region"


class NotSupported(CheckSkipped):
    """What this platform cannot do, and why; the check is skipped, and the reason is shown."""


@dataclass(frozen=True)
class Setting:
    """What is to be served.

    folder: for files of the platform's own; the same one when a site is served again after it was closed.
    config: monitors.yaml, complete with store (SQLite) and reference; None: the model alone, as its users wrote it.
    model: the name in that YAML, unlike that of any other site that runs: applications can be named after it.
    pythonpath: folders that every process which opens the configuration must have on its Python path.
    """

    folder: Path
    config: Path | None
    model: str
    pythonpath: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Stamp:
    """What the kit says of one request. time: of the event, seconds since the epoch.  region: a segment."""

    time: float
    region: str


@dataclass(frozen=True)
class Request:
    """A POST to the model's endpoint."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What a client got. headers: names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Site(ABC):
    """A running model, and its monitors where it has any. Leaving its `with` block closes it.

    url: of the model's endpoint, where predictions are asked by POST.
    api: base of the monitors' HTTP API (`<api>/api/monitors`, `<api>/feedback`, `<api>/explain`, `<api>/metrics`);
    None where nobody watches.
    """

    url: str
    api: str | None = None

    def stop_monitors(self) -> None:
        """End all processes that monitor, and leave the model as it is; returns when they are gone."""
        raise NotSupported(f"{type(self).__name__}: monitors cannot be stopped apart from the model")

    def start_monitors(self) -> None:
        """The monitors come back, on the same store; returns when `api` answers."""
        raise NotSupported(f"{type(self).__name__}: monitors cannot be started apart from the model")

    @abstractmethod
    def close(self) -> None:
        """Stop in good order, as the platform does on SIGTERM or on deletion: the tap is drained. Can come twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Platform(ABC):
    """An adapter: subclass it, write `serve`, and change of the rest what is different on the platform.

    name: in test ids.
    request_id_header: of responses of a watched model; None where the platform's clients do not get one.
    changing_headers: of responses, that differ from one to the next; beside `date` and the request id.
    skip_header: of requests that are not to be monitored; None where the platform cannot tell.
    processes: of the model, each with a tap and a buffer of its own.
    monitors_apart: whether monitors have processes of their own, which the platform starts again when they die.
    expected_failures: check -> reason; such a check must fail.
    """

    name: str
    request_id_header: str | None = "x-request-id"
    changing_headers: Set[str] = frozenset()
    skip_header: str | None = "seldon-skip-logging"
    processes: int = 1
    monitors_apart: bool = True
    expected_failures: Mapping[str, str] = MappingProxyType({})

    @abstractmethod
    def serve(self, setting: Setting) -> Site:
        """Serve the kit's model; returns when it and, where there is a configuration, its monitors answer.

        The model is vedette.testing.platforms.model: `answer(rows)` for applications that take records and give JSON,
        `probabilities(matrix)` for those that take arrays, and `predict(frame)` for import strings.  Rows in, classes
        and probabilities out, in the form that the platform's clients use. It must answer a request with the same
        bytes whether it is watched or not: no times, names or process ids in them.
        """

    def request(self, rows: Sequence[Row], stamp: Stamp) -> Request:
        """The rows as this platform's clients send them: here V1 `instances`, the stamp in headers."""
        body = json.dumps({"instances": [dict(row) for row in rows]}).encode()
        return Request(body, {"content-type": "application/json", **stamped(stamp)})

    def malformed(self, stamp: Stamp) -> Mapping[str, Request]:
        """Name -> a request that is wrong, or nearly: the platform's own errors must come through as they are.

        Where the platform answers one with success all the same, it counts as one row.
        """
        good = {"a": 1.0, "b": 2.0, "c": 3.0}
        headers = {"content-type": "application/json", **stamped(stamp)}
        bodies: dict[str, bytes] = {
            "no JSON": b'{"instances": [',
            "empty": b"",
            "no object": b"7",
            "unknown key": json.dumps({"rows": [good]}).encode(),
            "a column is missing": json.dumps({"instances": [{"a": 1.0, "b": 2.0}]}).encode(),
            "a text for a number": json.dumps({"instances": [{**good, "a": "many"}]}).encode(),
            "no UTF-8": b'{"instances": "\xff\xfe"}',
            "deeply nested": b'{"instances": ' + b"[" * 200 + b"]" * 200 + b"}",
        }
        return {name: Request(body, headers) for name, body in bodies.items()}

    def capture(self) -> Mapping[str, Any]:
        """The YAML's `capture`: where event time and region of a request are found; with `request`."""
        return {"time": f"header.{TIME}", "attributes": {"region": f"header.{REGION}"}}

    def comparable(self, reply: Reply) -> bytes:
        """The part of an answer that must not depend on being watched: its body."""
        return reply.body

    def look(self, setting: Setting) -> Site:
        """The monitors' API over the store of a site that was closed: here `vedette serve` without a model.

        `self.serve(setting)` does as well where that command cannot open the configuration.
        """
        from vedette.testing.platforms.embedded import EmbeddedSite

        assert setting.config is not None
        return EmbeddedSite(setting, setting.config, None)

    @property
    def yaml(self) -> Mapping[str, Any]:
        """Further keys of the configuration that this platform needs, such as `pools`."""
        return {}


def stamped(stamp: Stamp) -> dict[str, str]:
    """The stamp as headers."""
    return {TIME: repr(stamp.time), REGION: stamp.region}
