"""From a model's process to the pools' services, out of the tap's own threads.

BentoML's proxies belong to an event loop and speak pickle; a pool's service is an HTTP server on a Unix socket, so the
tap speaks its own protocol with it, on one kept connection a thread: nothing of a request's task, which a disconnecting
client would cancel, and nothing of the model's event loop is involved.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from vedette.engine.message import TapPlan
from vedette.engine.tap.transport import HttpTransport, InProcessTransport, Transport, TransportError
from vedette_bentoml import graph
from vedette_bentoml.names import INTERNAL, internal_secret

if TYPE_CHECKING:
    from vedette_bentoml.graph import Neighbour


class PoolTransport:
    """A transport a pool. neighbours: pool -> its service."""

    def __init__(self, neighbours: Mapping[str, Neighbour], plan: TapPlan) -> None:
        self.plan = plan
        self._neighbours = neighbours
        self._made: dict[str, Transport] = {}
        self._lock = threading.Lock()

    def describe(self) -> TapPlan:
        return self.plan

    def send(self, pool: str, message: bytes, timeout: float) -> None:
        """Returns once a worker of the pool has committed the message; raises Busy, Refused or TransportError."""
        self._to(pool).send(pool, message, timeout)

    def close(self) -> None:
        for transport in self._made.values():
            transport.close()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._made.clear()

    def _to(self, pool: str) -> Transport:
        with self._lock:
            if pool not in self._made:
                if pool not in self._neighbours:
                    raise TransportError(f"no pool {pool!r}; there are {list(self._neighbours)}", arrived=False)
                self._made[pool] = self._connected(pool, self._neighbours[pool])
            return self._made[pool]

    def _connected(self, pool: str, neighbour: Neighbour) -> Transport:
        where = graph.address(neighbour.on)
        if where is None:
            return InProcessTransport({pool: neighbour.local().worker}, self.plan)
        url, path = where
        return HttpTransport(url + INTERNAL, internal_secret(), unix_socket=path)
