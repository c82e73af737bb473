"""`watch`: a service, unedited, with its endpoints tapped and its monitors beside it.

Nothing is fitted but by the first process that imports the service (see `bundles`), and nothing but the tap works in
the model's processes: each pool is a service of its own, which BentoML starts, restarts and counts like any other that
a bento depends on; the API and the page are served by the default pool's, explanations by the explainers'. Explainers
call the model over HTTP, since a dependency back on it would be a circle.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vedette.config.plan import PoolSpec
from vedette_bentoml import graph
from vedette_bentoml.beside import Beside, Load
from vedette_bentoml.brief import Brief, Config, as_paths, inherited, leave
from vedette_bentoml.front import Front
from vedette_bentoml.graph import STARTED, Neighbour
from vedette_bentoml.names import PUBLIC, attribute, internal_secret
from vedette_bentoml.notes import Noted
from vedette_bentoml.side_services import Kind, side_service, workers
from vedette_bentoml.tapping import Tapping
from vedette_bentoml.transport import PoolTransport
from vedette_bentoml.wrapping import wrap

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle
    from vedette.plugins import Registry

T = TypeVar("T")
log = logging.getLogger("vedette.bentoml")
MARK = "_vedette_tapping"


def watch(
    service: T, config: Config, endpoint: str | Sequence[str] | None = None, *, registry: Registry | None = None
) -> T:
    """Watch a `@bentoml.service` class, in place; returns it.

    config: monitors.yaml, relative to the working directory, or several to be laid on each other.
    endpoint: name of the API method that predicts, or several; capture.method of the YAML when None, or the only one
    that there is.

    Raises TypeError for what is no service, ValueError where the endpoint is not clear, ConfigError with all faults of
    the YAML and of what it asks to be fitted, BundleError where the bundle cannot be written.
    """
    target = graph.check_service(service)
    if hasattr(target.inner, MARK):
        raise ValueError(f"watch: {target.name} is watched already")
    brief, load = _briefed(as_paths(config), registry)
    names = chosen(target, brief.method, endpoint)
    internal_secret()  # made now, so that the processes that BentoML starts inherit it
    pools, explainers = _neighbours(target, brief, Beside(target, names[0], brief.model, load))
    if any(neighbour.here for neighbour in (*pools.values(), *explainers.values())):
        load()  # now rather than while a request waits
    tapping = Tapping(lambda: PoolTransport(pools, brief.wanted), brief.tap, brief.version)
    for name in names:
        wrap(graph.endpoint(target, name), tapping)
    routes = [graph.path_of(target, graph.endpoint(target, name).route) for name in names]
    target.add_asgi_middleware(Noted, tap=tapping, paths=routes)
    front = Front(
        path=graph.path_of(target, PUBLIC),
        pool=pools["default"],
        explainers=next(iter(explainers.values()), None),
        guarded=brief.guarded,
        max_body=brief.max_body,
    )
    target.mount_asgi_app(front, path=PUBLIC)
    setattr(target.inner, MARK, tapping)
    _hook(target, tapping, front, [*explainers.values(), *pools.values()])
    return service


def chosen(service: Any, method: str, endpoint: str | Sequence[str] | None) -> list[str]:
    """The endpoints that predict; ValueError naming those that there are. method: capture.method."""
    there = list(service.apis)
    if endpoint is None and method != "__call__":
        endpoint = method
    if endpoint is None:
        if len(there) != 1:
            raise ValueError(
                f"watch: {service.name} has {len(there)} endpoints ({', '.join(there) or 'none'}); "
                "say which one predicts: endpoint=..., or capture.method in the YAML"
            )
        return there
    names = [endpoint] if isinstance(endpoint, str) else list(endpoint)
    for name in names:
        if name not in there:
            close = difflib.get_close_matches(name, there, 1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"watch: {service.name} has no endpoint {name!r}; it has: {', '.join(there)}{hint}")
    if not names:
        raise ValueError(f"watch: endpoint: an empty list; {service.name} has: {', '.join(there)}")
    return names


def _briefed(paths: Sequence[Path], registry: Registry | None) -> tuple[Brief, Load]:
    """What the model's process must know, and how to get at the rest; told to the processes that this one starts."""

    @cache
    def load() -> tuple[Registry, Bundle]:
        from vedette.plugins import get_registry
        from vedette_bentoml.bundles import prepared

        known = registry or get_registry()
        return known, prepared(paths, known)

    brief = inherited(paths)
    if brief is None:
        plan = load()[1].plan
        _warn(plan.pools)
        brief = Brief.of(load()[1])
        leave(paths, brief, plan.reference)
    return brief, load


def _neighbours(service: Any, brief: Brief, beside: Beside) -> tuple[dict[str, Neighbour], dict[str, Neighbour]]:
    """Services of the pools that count, and of those that explain, by the pools' names."""

    def started(kind: Kind, spec: PoolSpec) -> Neighbour:
        return graph.start_beside(service, attribute(kind, spec.name), side_service(beside, kind, spec))

    pools = {spec.name: started("pool", spec) for spec in brief.pools}
    return pools, {spec.name: started("explain", spec) for spec in brief.explaining}


def _hook(service: Any, tapping: Tapping, front: Front, beside: Sequence[Neighbour]) -> None:
    def start(instance: Any) -> None:
        try:
            tapping.tap  # noqa: B018 - its threads start now, not with the first request
        except Exception as error:  # the model must not suffer
            tapping.failed(error)

    async def stop(instance: Any) -> None:
        """Requests are answered when BentoML calls this: what the tap holds is shipped, for a few seconds at most."""
        import anyio.to_thread

        await anyio.to_thread.run_sync(tapping.close)
        await front.close()
        for neighbour in beside:
            if neighbour.started:  # in this process, so that nobody else stops it
                await anyio.to_thread.run_sync(neighbour.local()._vedette_stop)

    graph.add_hooks(service, start, stop)


def _warn(pools: Sequence[PoolSpec]) -> None:
    """Once, by the process that starts the others."""
    if STARTED in os.environ:
        return
    for spec in pools:
        if spec.min_replicas != spec.max_replicas or spec.min_replicas == 0:
            log.warning(
                "pools.%s.replicas: BentoML's workers are fixed: {min: %d, max: %d} means %d here",
                spec.name, spec.min_replicas, spec.max_replicas, workers(spec),
            )  # fmt: skip
