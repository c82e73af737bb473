"""Ray Serve's bound application graph. The only module that touches Ray's private names; its test names the version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ray
from ray.dag.py_obj_scanner import _PyObjScanner
from ray.serve import Application, Deployment
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
from ray.serve.context import _get_serve_request_context
from ray.serve.handle import DeploymentHandle


class UnsupportedRay(RuntimeError):
    """This version of Ray has no application graph that Vedette knows."""


class UnknownDeployment(LookupError):
    """No, or more than one, deployment of an application has the name that was asked for."""


def deployment_of(app: Application) -> Deployment:
    """The deployment that an application binds, with its init args; raises UnsupportedRay naming the version."""
    try:
        bound = app._bound_deployment
        bound.func_or_class, bound.init_args, bound.init_kwargs  # noqa: B018 - each must be there
    except AttributeError as error:
        raise UnsupportedRay(f"ray {ray.__version__} is not supported: {error}") from error
    return bound


def nodes(app: Application) -> Iterator[Application]:
    """Every application of the graph once, the root first."""
    seen: set[int] = set()
    waiting = [app]
    while waiting:
        node = waiting.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        waiting += children(node)


def children(app: Application) -> list[Application]:
    deployment = deployment_of(app)
    scanner: Any = _PyObjScanner(source_type=Application)
    try:
        return list(scanner.find_nodes((deployment.init_args, deployment.init_kwargs)))
    finally:
        scanner.clear()


def find(app: Application, name: str | None) -> Application:
    """The node whose deployment has this name; the root where `name` is None."""
    if name is None:
        return app
    found = [node for node in nodes(app) if deployment_of(node).name == name]
    if len(found) == 1:
        return found[0]
    names = sorted({deployment_of(node).name for node in nodes(app)})
    if found:
        raise UnknownDeployment(f"{len(found)} deployments are named {name!r}: give them names of their own")
    raise UnknownDeployment(f"no deployment is named {name!r}; the application has {', '.join(names)}")


def replaced(app: Application, target: Application, change: Callable[[Deployment], Deployment]) -> Application:
    """A copy of the graph in which `target`'s deployment is changed; the user's objects stay as they were."""
    return _Rebuild(target, change).node(app)


def built(target: Any, args: dict[str, Any]) -> Application:
    """What `serve deploy` makes of an import path's object: an application, or what a builder returns for `args`."""
    app: Application = call_user_app_builder_with_args_if_necessary(target, args)
    return app


def request_id() -> str:
    """Ray Serve's id of the request that this task serves (an inner call has its caller's); "" outside."""
    return str(_get_serve_request_context().request_id)


def for_threads(handle: DeploymentHandle[Any]) -> DeploymentHandle[Any]:
    """The handle, its router in a loop of its own whatever RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP says.

    Ray's option, and RAY_SERVE_THROUGHPUT_OPTIMIZED, would bind it to an event loop that our threads do not have.
    Raises UnsupportedRay for a handle that was used that way before.
    """
    if not handle.is_initialized:
        handle._init(_run_router_in_separate_loop=True)  # type: ignore[no-untyped-call]
    if not handle._is_router_running_in_separate_loop():
        raise UnsupportedRay(f"the handle of {handle.deployment_name!r} is bound to an event loop already")
    return handle


class _Rebuild:
    def __init__(self, target: Application, change: Callable[[Deployment], Deployment]) -> None:
        self.target = target
        self.change = change
        self.done = _ById()

    def node(self, app: Application) -> Application:
        if app not in self.done:
            self.done[app] = self.rebuilt(app)
        return self.done[app]

    def rebuilt(self, app: Application) -> Application:
        deployment = deployment_of(app)
        args, kwargs = self.arguments(deployment)
        if app is self.target:
            deployment = self.change(deployment)
        copy = deployment.bind(*args, **kwargs)
        for name in vars(app).keys() - {"_bound_deployment"}:  # what Serve's extensions hang onto an application
            setattr(copy, name, vars(app)[name])
        return copy

    def arguments(self, deployment: Deployment) -> tuple[tuple[Any, ...], dict[str, Any]]:
        scanner: Any = _PyObjScanner(source_type=Application)
        try:
            inner = scanner.find_nodes((deployment.init_args, deployment.init_kwargs))
            if not inner:
                return tuple(deployment.init_args), dict(deployment.init_kwargs)
            for child in inner:
                self.node(child)
            args, kwargs = scanner.replace_nodes(self.done)
            return args, kwargs
        finally:
            scanner.clear()


class _ById:
    """Applications are not hashable: they are found by identity."""

    def __init__(self) -> None:
        self.items: dict[int, tuple[Application, Application]] = {}

    def __contains__(self, key: Application) -> bool:
        return id(key) in self.items

    def __getitem__(self, key: Application) -> Application:
        return self.items[id(key)][1]

    def __setitem__(self, key: Application, value: Application) -> None:
        self.items[id(key)] = (key, value)  # the key is kept alive, so that its id stays its own
