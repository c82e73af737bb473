"""The services that run beside a watched one: a pool's worker, or explainers; each can show the API and the page."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from vedette.config.plan import Plan, PoolSpec
from vedette.engine import lifecycle
from vedette.engine.bundle import Bundle
from vedette.engine.explain.explaining import JobRunner
from vedette.engine.explain.gateway import Gateway
from vedette.engine.service import Service
from vedette.engine.work.worker import Worker
from vedette.plugins import Registry
from vedette.store.database import Store
from vedette_bentoml import graph
from vedette_bentoml.endpoint import Endpoint
from vedette_bentoml.lingering import Lingering
from vedette_bentoml.names import INTERNAL, PUBLIC, internal_secret, service_name

log = logging.getLogger("vedette.bentoml")
LOOK_EVERY = 0.5  # seconds between looks for explain jobs
QUIET = {"access": {"enabled": False}}  # a line for every message would drown the model's own


@dataclass(frozen=True)
class Beside:
    """What the services beside a watched one know of it."""

    watched: Any
    endpoint: str
    bundle: Bundle
    registry: Registry

    @property
    def plan(self) -> Plan:
        return self.bundle.plan

    def opened(self) -> tuple[Store, Service]:
        """The store with the bundle deployed in it, and the API's answers. Deploying it again changes nothing."""
        store = Store(self.plan.store)
        lifecycle.deploy(store, self.bundle)
        model = Endpoint(self.watched, self.endpoint, self.plan)
        gateway = Gateway(f"endpoint {self.endpoint!r}", self.plan.schema, model) if model.reachable else None
        return store, Service(store, self.bundle, gateway, self.plan.model_version or "")


class Late:
    """An ASGI application that is made when its service starts, long after it was mounted."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None:
            raise RuntimeError("the monitors have not started in this process")
        await self.app(scope, receive, send)


class Heard:
    """A worker, and when it last heard of a tap."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.at = time.monotonic()

    def apply(self, message: bytes) -> bool:
        self.at = time.monotonic()
        return self.worker.apply(message)


class Pool:
    """One process of a pool: commits and counts what the taps ship."""

    def __init__(self, beside: Beside, pool: str) -> None:
        from vedette.http import create_app

        self.store, service = beside.opened()
        self.worker = Worker(self.store, beside.bundle, pool, beside.registry).start()
        heard = Heard(self.worker)
        self.lingering = Lingering(lambda: heard.at)
        self.public: ASGIApp = create_app(service, tokens=beside.plan.server.tokens)
        # a socket that only this user reaches, but BentoML may use a port instead: the taps know a secret
        self.internal: ASGIApp = create_app(service, workers={pool: heard}, tokens={internal_secret(): ("write",)})

    async def started(self) -> None:
        self.lingering.begin()

    def alive(self) -> bool:
        return self.worker.alive()

    def stop(self) -> None:
        """Refuse, drain, checkpoint, release."""
        self.worker.close()
        self.store.close()


class Explainers:
    """One process of an explainer pool: answers explain jobs, and requests for explanations at once."""

    def __init__(self, beside: Beside, pool: str) -> None:
        from vedette.http import create_app

        self.store, service = beside.opened()
        self.public: ASGIApp = create_app(service, tokens=beside.plan.server.tokens)
        self.internal: ASGIApp | None = None
        self.runner = JobRunner(self.store, service.explaining, lambda spec: spec.pool == pool)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"vedette-explain-{pool}", daemon=True)
        self._thread.start()

    async def started(self) -> None:
        """Nothing is shipped here, so that there is nothing to wait for at the end."""

    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(2.0)
        self.store.close()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            try:
                while not self._stop.is_set() and self.runner.step():
                    pass
            except Exception:  # the store may be away for a while
                log.exception("looking for explain jobs failed")


def side_service(beside: Beside, kind: str, spec: PoolSpec, role: type[Pool] | type[Explainers]) -> Any:
    """A service that runs `role` in each of its processes, as many as the pool has replicas."""
    public, internal = Late(), Late()

    class Inner:
        def __init__(self) -> None:
            self.role = role(beside, spec.name)
            public.app, internal.app = self.role.public, self.role.internal

        @property
        def worker(self) -> Worker:
            return self.role.worker  # type: ignore[union-attr]

        @property
        def public(self) -> ASGIApp:
            return self.role.public

        async def _vedette_start(self) -> None:
            await self.role.started()

        def _vedette_stop(self) -> None:
            self.role.stop()

        def __is_alive__(self) -> bool:
            return self.role.alive()

    config = {
        "workers": workers(spec),
        "resources": {"cpu": str(spec.cpus)},
        "logging": QUIET,
        "traffic": {"timeout": 60},
    }
    made = graph.make_service(Inner, service_name(beside.plan.model, kind, spec.name), config)
    graph.add_hooks(made, Inner._vedette_start, Inner._vedette_stop)
    made.mount_asgi_app(public, path=graph.path_of(beside.watched, PUBLIC))
    if role is Pool:
        made.mount_asgi_app(internal, path=INTERNAL)
    return made


def workers(pool: PoolSpec) -> int:
    """BentoML's number of workers is fixed, and at least one."""
    return max(1, pool.min_replicas)
