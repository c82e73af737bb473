"""Monitors in threads of the model's own process, made off the request's path."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from vedette.config.plan import Plan, TapSpec
from vedette.engine.message import TapPlan
from vedette.engine.tap.transport import InProcessTransport, TransportError

if TYPE_CHECKING:
    from vedette.engine.run.runtime import Runtime
    from vedette.engine.service import Service
    from vedette.store.database import Store
    from vedette_bentoml.brief import Config

log = logging.getLogger("vedette.bentoml")


def tap_settings(config: Config) -> tuple[TapSpec, str]:
    """`tap:` and `model.version` of the YAML. The defaults where it is wrong: `describe` tells what."""
    from vedette.config import ConfigError
    from vedette.config.loading import load_tap
    from vedette_bentoml.brief import as_paths

    try:
        settings, version = load_tap(as_paths(config))
    except ConfigError:
        return TapSpec(), ""
    return settings, version or ""


class LocalMonitors:
    """A transport to workers of its own. They are made when the tap's thread first asks what the monitors want."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._warned = False
        self._parents: list[Any] = []  # kept, so that no connection of theirs is closed from here
        self._store: Store | None = None
        self._runtime: Runtime | None = None
        self._inner: InProcessTransport | None = None
        self._service: Service | None = None

    def describe(self) -> TapPlan:
        """Raises TransportError while they cannot be made: the tap asks again, and keeps what it has."""
        with self._lock:
            if self._inner is None:
                try:
                    self._make()
                except Exception as error:
                    raise TransportError(f"{self.config}: {error}", arrived=False) from error
        return self._made.plan

    def send(self, pool: str, message: bytes, timeout: float) -> None:
        self._made.send(pool, message, timeout)

    def feedback(self, items: list[dict[str, Any]]) -> None:
        """Raises ConnectionError while the monitors are not made yet."""
        if self._service is None:
            raise ConnectionError("the monitors have not started yet")
        self._service.feedback(items)

    def close(self) -> None:
        """Drain, checkpoint, release."""
        if self._runtime is not None:
            self._runtime.close()

    def after_fork(self) -> None:
        """In the child: the parent's monitors have no threads here. They are only let go of, since their connections
        are the parent's too."""
        self._parents.append((self._store, self._runtime, self._inner, self._service))
        self._lock = threading.Lock()
        self._store = self._runtime = self._inner = self._service = None

    @property
    def _made(self) -> InProcessTransport:
        if self._inner is None:
            raise TransportError("the monitors have not started yet", arrived=False)
        return self._inner

    def _make(self) -> None:
        # in the tap's thread: these imports take about a second, which no request is to wait for
        from vedette.engine.run.runtime import Runtime
        from vedette.engine.service import Service
        from vedette.plugins import get_registry
        from vedette.store.database import Store
        from vedette_bentoml.bundles import prepared

        registry = get_registry()
        bundle = prepared(self.config, registry)
        if not self._warned:
            self._warned = True
            _warn(bundle.plan)
        if self._store is None:
            self._store = Store(bundle.plan.store)
        # what can fail comes first: a runtime that is started and then lost would work on beside the next one
        service = Service(self._store, bundle, None, bundle.plan.model_version or "")
        plan = TapPlan.of(bundle.plan, bundle.digest)
        self._runtime = Runtime(self._store, bundle, registry).start()
        self._service = service
        self._inner = InProcessTransport(self._runtime.workers, plan)


def _warn(plan: Plan) -> None:
    """Keys that mean nothing here."""
    asking = [f"monitors.{monitor.name}.explain" for monitor in plan.monitors if monitor.explain is not None]
    if plan.explainers or asking:
        names = [*(f"explainers.{spec.name}" for spec in plan.explainers), *asking]
        log.warning(
            "%s: nothing is explained here, since bentoml.monitor shows predictions but no model that could be asked; "
            "vedette_bentoml.watch does", ", ".join(names),
        )  # fmt: skip
    for spec in plan.pools:
        if (spec.min_replicas, spec.max_replicas) != (1, 1):
            log.warning(
                "pools.%s.replicas: monitors of bentoml.monitor run in the model's processes, one worker in each",
                spec.name,
            )  # fmt: skip
