"""The services that run beside a watched one: a pool's worker, or explainers; each can show the API and the page."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from starlette.types import ASGIApp

from vedette.engine import lifecycle
from vedette.engine.bundle import Bundle
from vedette.engine.explain.explaining import JobRunner
from vedette.engine.explain.gateway import Gateway
from vedette.engine.service import Service
from vedette.engine.work.worker import Worker
from vedette.http import create_app
from vedette.plugins import Registry
from vedette.store.database import Store
from vedette_bentoml.beside import Beside
from vedette_bentoml.endpoint import Endpoint
from vedette_bentoml.lingering import Lingering
from vedette_bentoml.names import internal_secret

log = logging.getLogger("vedette.bentoml")
LOOK_EVERY = 0.5  # seconds between looks for explain jobs


def opened(beside: Beside) -> Opened:
    """The store with the bundle deployed in it, and the API's answers. Deploying it again changes nothing."""
    registry, bundle = beside.load()
    plan = bundle.plan
    store = Store(plan.store)
    lifecycle.deploy(store, bundle)
    model = Endpoint(beside.watched, beside.endpoint, plan)
    gateway = Gateway(f"endpoint {beside.endpoint!r}", plan.schema, model) if model.reachable else None
    service = Service(store, bundle, gateway, plan.model_version or "")
    return Opened(registry, bundle, store, service, create_app(service, tokens=plan.server.tokens))


@dataclass(frozen=True)
class Opened:
    registry: Registry
    bundle: Bundle
    store: Store
    service: Service
    public: ASGIApp


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
        found = opened(beside)
        self.store, self.public = found.store, found.public
        self.worker = Worker(found.store, found.bundle, pool, found.registry).start()
        heard = Heard(self.worker)
        self.lingering = Lingering(lambda: heard.at)
        # a socket that only this user reaches, but BentoML may use a port instead: the taps know a secret
        self.internal: ASGIApp = create_app(
            found.service, workers={pool: heard}, tokens={internal_secret(): ("write",)}
        )

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
        found = opened(beside)
        self.store, self.public = found.store, found.public
        self.internal: ASGIApp | None = None
        self.runner = JobRunner(self.store, found.service.explaining, lambda spec: spec.pool == pool)
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
