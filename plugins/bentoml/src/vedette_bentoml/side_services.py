"""Services beside a watched one, as BentoML sees them: their names, how many processes they have, what they serve.

Every process of a bento defines all of them. What they do (see `pools`) is imported by those that run them only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from starlette.types import ASGIApp, Receive, Scope, Send

from vedette.config.plan import PoolSpec
from vedette_bentoml import graph
from vedette_bentoml.beside import Beside
from vedette_bentoml.names import INTERNAL, PUBLIC, service_name

if TYPE_CHECKING:
    from vedette.engine.work.worker import Worker

QUIET = {"access": {"enabled": False}}  # a line for every message would drown the model's own
Kind = Literal["pool", "explain"]


class Late:
    """An ASGI application that is made when its service starts, long after it was mounted."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None:
            raise RuntimeError("the monitors have not started in this process")
        await self.app(scope, receive, send)


def side_service(beside: Beside, kind: Kind, spec: PoolSpec) -> Any:
    """A service that counts (pool) or explains in each of its processes, as many as the pool has replicas."""
    public, internal = Late(), Late()

    class Inner:
        def __init__(self) -> None:
            from vedette_bentoml.pools import Explainers, Pool

            self.role = (Pool if kind == "pool" else Explainers)(beside, spec.name)
            public.app, internal.app = self.role.public, self.role.internal

        @property
        def worker(self) -> Worker:
            return self.role.worker  # type: ignore[union-attr]  # taps ship to pools only

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
    made = graph.make_service(Inner, service_name(beside.model, kind, spec.name), config)
    graph.add_hooks(made, Inner._vedette_start, Inner._vedette_stop)
    made.mount_asgi_app(public, path=graph.path_of(beside.watched, PUBLIC))
    if kind == "pool":
        made.mount_asgi_app(internal, path=INTERNAL)
    return made


def workers(pool: PoolSpec) -> int:
    """BentoML's number of workers is fixed, and at least one."""
    return max(1, pool.min_replicas)
