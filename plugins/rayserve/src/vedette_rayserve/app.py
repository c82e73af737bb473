"""Builders that `serve deploy` imports: the watched model, and the application that watches it.

No postponed annotations here: Serve reads the builders' annotations as classes.
"""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import ray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat
from ray import serve
from ray.serve import Application

from vedette.config.plan import CaptureSpec, Plan, PoolSpec, TapSpec
from vedette.config.variables import expand_text
from vedette.engine import lifecycle
from vedette_rayserve import autoscaling, graph
from vedette_rayserve.control import Control
from vedette_rayserve.instrument import instrument
from vedette_rayserve.names import CONTROL, explainer_deployment, pool_deployment
from vedette_rayserve.opening import open_bundle
from vedette_rayserve.pools import Explainers, Pool
from vedette_rayserve.tapping import Instrumentation

ONGOING = 16  # messages that a replica takes at a time; it commits them together
QUEUED = 256  # messages that wait per caller; beyond, the tap keeps them
CONTROL_CPUS = 0.1
STOP_TIMEOUT = 20.0


class ModelArgs(BaseModel):
    """app: import path of the user's application or builder.  args: the builder's.  monitors: the other application."""

    model_config = ConfigDict(extra="forbid")
    app: str
    monitors: str
    args: dict[str, Any] = Field(default_factory=dict)
    capture: dict[str, Any] = Field(default_factory=dict)
    tap: dict[str, Any] = Field(default_factory=dict)


class Delays(BaseModel):
    """Seconds, as in Serve's autoscaling_config, for pools with `replicas: {min, max}`.

    look_back_period_s: over which requests are averaged; a pool is idle when it has had none for so long.
    """

    model_config = ConfigDict(extra="forbid")
    upscale_delay_s: NonNegativeFloat = 3.0
    downscale_delay_s: NonNegativeFloat = 60.0
    look_back_period_s: float = Field(default=30.0, gt=10.0)  # longer than between two reports of Serve's


class MonitorsArgs(BaseModel):
    """bundle: digest, "sha256:...".  store: URL, its variables are the cluster's.  model_app: its name in Serve."""

    model_config = ConfigDict(extra="forbid")
    bundle: str
    store: str
    model_app: str = "default"
    autoscaling: Delays = Field(default_factory=Delays)


def build_model(args: ModelArgs) -> Application:
    """The user's application, watched."""
    app = graph.built(imported(args.app), args.args)
    spec = Instrumentation(args.monitors, CaptureSpec(**args.capture), TapSpec(**args.tap))
    return instrument(app, spec)


def build_monitors(args: MonitorsArgs) -> Application:
    """The application that watches: it also makes the bundle the one that the model's monitors run on."""
    one_machine(expand_text(args.store, os.environ), cluster_nodes())
    opened = open_bundle(args.store, args.bundle)
    lifecycle.deploy(opened.store, opened.bundle)
    opened.store.close()
    plan = opened.bundle.plan
    specs = {spec.name: spec for spec in plan.pools}
    pools = {
        name: _deployment(Pool, pool_deployment(name), specs.get(name, PoolSpec(name)), args.autoscaling).bind(
            args.store, args.bundle, name
        )
        for name in plan.worker_pools
    }
    explainers = {
        name: _deployment(
            Explainers, explainer_deployment(name), specs.get(name, PoolSpec(name)), args.autoscaling
        ).bind(args.store, args.bundle, name, args.model_app)
        for name in explainer_pools(plan)
    }
    ingress: Any = serve.ingress()(Control)
    control: Any = serve.deployment(
        name=CONTROL,
        max_ongoing_requests=64,
        max_queued_requests=QUEUED,
        ray_actor_options={"num_cpus": CONTROL_CPUS},
        graceful_shutdown_timeout_s=STOP_TIMEOUT,
    )(ingress)
    bound: Application = control.bind(args.store, args.bundle, args.model_app, pools, explainers)
    return bound


def explainer_pools(plan: Plan) -> list[str]:
    return sorted({spec.pool for spec in plan.explainers})


def imported(path: str) -> Any:
    """`pkg.mod:attribute` or `pkg.mod.attribute`, as Serve's own import_path."""
    module, _, name = path.rpartition(":") if ":" in path else path.rpartition(".")
    found = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def one_machine(store: str, nodes: int) -> None:
    """SQLite is for one machine: ValueError where the cluster has more."""
    if store.startswith("sqlite") and nodes > 1:
        raise ValueError(f"store: SQLite lives on one machine, and the cluster has {nodes} nodes: use postgresql://")


def cluster_nodes() -> int:
    """How many nodes are alive; 1 in Serve's local testing mode, which has no cluster."""
    if not ray.is_initialized():
        return 1
    return sum(bool(node["Alive"]) for node in ray.nodes())  # type: ignore[no-untyped-call]


def scaling(pool: PoolSpec, delays: Delays) -> Mapping[str, Any]:
    """Replicas of a pool as options of a deployment."""
    if pool.min_replicas == pool.max_replicas:
        return {"num_replicas": pool.min_replicas}
    return {
        "autoscaling_config": {
            "min_replicas": pool.min_replicas,
            "max_replicas": pool.max_replicas,
            "initial_replicas": pool.min_replicas,
            "target_ongoing_requests": ONGOING / 4,
            "policy": {"policy_function": autoscaling.POLICY},
            **delays.model_dump(),
        }
    }


def _deployment(cls: type, name: str, pool: PoolSpec, delays: Delays) -> Any:
    make: Any = serve.deployment(
        name=name,
        max_ongoing_requests=ONGOING,
        max_queued_requests=QUEUED,
        ray_actor_options={"num_cpus": pool.cpus},
        graceful_shutdown_timeout_s=STOP_TIMEOUT,
        **scaling(pool, delays),
    )
    return make(cls)
