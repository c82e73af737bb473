"""How a tap reaches the monitors' pools."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from vedette.engine.message import TapPlan
from vedette_specs.codec import CodecError

_MAX_ANSWER = 8 << 20
_REFUSED = (400, 413, 415, 422)  # the same bytes would be refused again


class TransportError(Exception):
    """Not acknowledged. arrived: True where the pool may have got the message all the same."""

    def __init__(self, reason: str, *, arrived: bool = True) -> None:
        super().__init__(reason)
        self.arrived = arrived


class Busy(TransportError):
    """Not taken: try again after `retry_after` seconds."""

    def __init__(self, retry_after: float, reason: str = "the pool is behind") -> None:
        super().__init__(reason, arrived=False)
        self.retry_after = retry_after


class Refused(TransportError):
    """Never to be taken: the pool cannot read this message, so that sending it again is of no use."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, arrived=False)


class Transport(Protocol):
    """Thread-safe; `send` is called by one thread a pool."""

    def describe(self) -> TapPlan:
        """What the tap needs to know; raises TransportError."""

    def send(self, pool: str, message: bytes, timeout: float) -> None:
        """Return when the pool has committed the message; raises Busy, Refused or TransportError within `timeout`."""

    def close(self) -> None: ...


class Applies(Protocol):
    """What the in-process transport delivers to: a worker."""

    def apply(self, message: bytes, /) -> Any: ...


class InProcessTransport:
    """Workers in the tap's own process. Both mappings may be changed while it runs."""

    def __init__(self, worker_by_pool: Mapping[str, Applies], plan: TapPlan) -> None:
        self.workers = worker_by_pool
        self.plan = plan

    def describe(self) -> TapPlan:
        return self.plan

    def send(self, pool: str, message: bytes, timeout: float) -> None:
        worker = self.workers.get(pool)
        if worker is None:
            raise TransportError(f"pool {pool!r} has no worker; there are {list(self.workers)}", arrived=False)
        try:
            worker.apply(message)
        except TransportError:
            raise
        except CodecError as error:
            raise Refused(f"pool {pool!r}: {error}") from error
        except Exception as error:
            if (seconds := getattr(error, "retry_after", None)) is not None:
                raise Busy(float(seconds), str(error)) from error
            raise TransportError(f"pool {pool!r}: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """The workers belong to their maker."""


class HttpTransport:
    """POST {base}/api/ingest/{pool} and GET {base}/api/tap, one kept connection a thread.

    base_url: as in http://host:8200 or https://host/vedette/income.  token: with scope `write`.
    unix_socket: path of a socket on this machine that is connected to instead of base_url's host.
    """

    def __init__(
        self, base_url: str, token: str | None = None, timeout: float = 10.0, unix_socket: str | None = None
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url!r} is no address; allowed: http://host[:port][/path] or https://...")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._path = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout
        self._unix_socket = unix_socket
        self._kept: dict[int, http.client.HTTPConnection] = {}  # by thread

    def describe(self) -> TapPlan:
        status, _, body = self._ask("GET", "/api/tap", None, self._timeout)
        if status != 200:
            raise TransportError(f"GET {self._path}/api/tap answered {status}: {_excerpt(body)}", arrived=False)
        try:
            return TapPlan.from_json(json.loads(body))
        except (ValueError, KeyError, TypeError) as error:
            raise TransportError(f"GET {self._path}/api/tap gave no plan: {error!r}", arrived=False) from error

    def send(self, pool: str, message: bytes, timeout: float) -> None:
        path = f"/api/ingest/{quote(pool, safe='')}"
        status, headers, body = self._ask("POST", path, message, timeout)
        if status in (200, 202, 204):
            return
        reason = f"POST {self._path}{path} answered {status}: {_excerpt(body)}"
        if status == 429 or (status == 503 and "Retry-After" in headers):
            raise Busy(_seconds(headers.get("Retry-After")), reason)
        if status in _REFUSED:
            raise Refused(reason)
        raise TransportError(reason, arrived=status >= 500)

    def close(self) -> None:
        """A thread that still waits for an answer gets a TransportError."""
        while self._kept:
            _, connection = self._kept.popitem()
            connection.close()

    def after_fork(self) -> None:
        """Connections belong to the parent; closing them here only closes this process's copies."""
        self.close()

    def _ask(
        self, method: str, path: str, body: bytes | None, timeout: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/octet-stream"
        connection = self._connect(timeout)
        try:
            connection.request(method, self._path + path, body=body, headers=headers)
            answer = connection.getresponse()
            content = answer.read(_MAX_ANSWER)
            if answer.will_close or not answer.isclosed():
                self._forget()
            return answer.status, answer.headers, content
        except (OSError, http.client.HTTPException) as error:
            self._forget()
            raise TransportError(f"{self._host}: {type(error).__name__}: {error}") from error

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        """This thread's open connection; one that cannot be opened has carried nothing."""
        kept = self._kept.get(threading.get_ident())
        if kept is None:
            kept = self._made(timeout)
            try:
                kept.connect()
            except OSError as error:
                kept.close()
                raise TransportError(f"{self._host}: {type(error).__name__}: {error}", arrived=False) from error
            self._kept[threading.get_ident()] = kept
        elif kept.sock is not None:
            kept.sock.settimeout(timeout)
        return kept

    def _made(self, timeout: float) -> http.client.HTTPConnection:
        if self._unix_socket is not None:
            return UnixConnection(self._unix_socket, timeout)
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=timeout)

    def _forget(self) -> None:
        if (kept := self._kept.pop(threading.get_ident(), None)) is not None:
            kept.close()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._socket_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._socket_path)


def _seconds(retry_after: str | None) -> float:
    """Seconds of a Retry-After header; 1 where it is absent or a date."""
    try:
        return max(0.0, float(retry_after)) if retry_after is not None else 1.0
    except ValueError:
        return 1.0


def _excerpt(body: bytes) -> str:
    return body[:200].decode("utf-8", "replace")
