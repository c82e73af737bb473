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
from typing import Any, TypeVar

from vedette.config.plan import Plan, PoolSpec
from vedette.engine.message import TapPlan
from vedette.plugins import Registry, get_registry
from vedette_bentoml import graph
from vedette_bentoml.bundles import Config, prepared
from vedette_bentoml.front import Front
from vedette_bentoml.graph import Neighbour
from vedette_bentoml.names import PUBLIC, attribute, internal_secret
from vedette_bentoml.notes import Noted
from vedette_bentoml.pools import Beside, Explainers, Pool, side_service, workers
from vedette_bentoml.tapping import Tapping
from vedette_bentoml.transport import PoolTransport
from vedette_bentoml.wrapping import wrap

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
    registry = registry or get_registry()
    bundle = prepared(config, registry)
    names = chosen(target, bundle.plan, endpoint)
    _warn(bundle.plan)
    internal_secret()  # made now, so that the processes that BentoML starts inherit it
    beside = Beside(target, names[0], bundle, registry)
    pools, explainers = _neighbours(target, beside)
    wanted = TapPlan.of(bundle.plan, bundle.digest)
    tapping = Tapping(lambda: PoolTransport(pools, wanted), bundle.plan.tap, bundle.plan.model_version or "")
    for name in names:
        wrap(graph.endpoint(target, name), tapping)
    paths = [graph.path_of(target, graph.endpoint(target, name).route) for name in names]
    target.add_asgi_middleware(Noted, tap=tapping, paths=paths)
    front = Front(
        path=graph.path_of(target, PUBLIC),
        pool=pools["default"],
        explainers=next(iter(explainers.values()), None),
        guarded=bool(bundle.plan.server.tokens),
        max_body=bundle.plan.server.max_body,
    )
    target.mount_asgi_app(front, path=PUBLIC)
    setattr(target.inner, MARK, tapping)
    _hook(target, tapping, front, [*explainers.values(), *pools.values()])
    return service


def chosen(service: Any, plan: Plan, endpoint: str | Sequence[str] | None) -> list[str]:
    """The endpoints that predict; ValueError naming those that there are."""
    there = list(service.apis)
    if endpoint is None and plan.capture.method != "__call__":
        endpoint = plan.capture.method
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


def _neighbours(service: Any, beside: Beside) -> tuple[dict[str, Neighbour], dict[str, Neighbour]]:
    """Services of the pools that count, and of those that explain, by the pools' names."""
    plan = beside.plan
    specs = {spec.name: spec for spec in plan.pools}

    def started(kind: str, pool: str, role: type[Pool] | type[Explainers]) -> Neighbour:
        made = side_service(beside, kind, specs.get(pool, PoolSpec(pool)), role)
        return graph.start_beside(service, attribute(kind, pool), made)

    pools = {name: started("pool", name, Pool) for name in plan.worker_pools}
    explaining = dict.fromkeys(spec.pool for spec in plan.explainers)
    return pools, {name: started("explain", name, Explainers) for name in explaining}


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


def _warn(plan: Plan) -> None:
    """Once, by the process that starts the others."""
    if "BENTOML_RUNNER_MAP" in os.environ:
        return
    for spec in plan.pools:
        if spec.min_replicas != spec.max_replicas or spec.min_replicas == 0:
            log.warning(
                "pools.%s.replicas: BentoML's workers are fixed: {min: %d, max: %d} means %d here",
                spec.name, spec.min_replicas, spec.max_replicas, workers(spec),
            )  # fmt: skip
