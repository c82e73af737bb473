"""A user's bound application, unchanged but for one deployment, whose class becomes a subclass that is tapped."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from ray.serve import Application, Deployment

from vedette_rayserve import graph
from vedette_rayserve.asgi import tapped_asgi
from vedette_rayserve.predict import PREDICT, predict_method
from vedette_rayserve.tapping import ATTRIBUTE, UNTAPPED, Instrumentation, Tapping
from vedette_rayserve.wrap import as_class, tapped

MARK = "__vedette_instrumented__"


class CannotInstrument(TypeError):
    """A deployment that Vedette does not know how to watch."""


def instrument(app: Application, spec: Instrumentation) -> Application:
    """The application with `spec.capture.deployment` (default: its ingress) tapped; `app` stays as it was.

    Raises CannotInstrument or UnknownDeployment, which say what is wrong and what there is.
    """
    target = graph.find(app, spec.capture.deployment)
    return graph.replaced(app, target, lambda deployment: instrumented(deployment, spec))


def instrumented(deployment: Deployment, spec: Instrumentation) -> Deployment:
    """The deployment with its class exchanged for a tapped subclass; options and init args are kept."""
    return deployment.options(func_or_class=subclass(deployment.func_or_class, deployment.name, spec))


def subclass(target: Any, name: str, spec: Instrumentation) -> type:
    """A subclass of the deployment's class (or a class made of its function) that is tapped."""
    if inspect.isfunction(target):
        target = as_class(target)
    if not inspect.isclass(target):
        raise CannotInstrument(f"deployment {name!r} is a {type(target).__name__}, neither class nor function")
    _refuse(target, name, spec)
    body: dict[str, Any] = {MARK: True, ATTRIBUTE: UNTAPPED, PREDICT: predict_method(target, spec)}
    method = spec.capture.method
    if is_asgi(target):
        body["__call__"] = tapped_asgi(target)
    if method != "__call__" or not is_asgi(target):
        body[method] = tapped(target, method)
    body["__init__"] = _init(target, spec, [m for m in (method,) if m in body])
    body["__del__"] = _del(target)
    for attribute in ("__module__", "__qualname__", "__doc__"):
        body[attribute] = getattr(target, attribute)
    made: type = types.new_class(target.__name__, (target,), exec_body=lambda namespace: namespace.update(body))
    return made


def is_asgi(cls: type) -> bool:
    """True for @serve.ingress: its classes are called as ASGI applications."""
    return any(base.__name__ == "ASGIAppReplicaWrapper" for base in cls.__mro__)


def _refuse(cls: type, name: str, spec: Instrumentation) -> None:
    method = spec.capture.method
    if hasattr(cls, MARK):
        raise CannotInstrument(f"deployment {name!r} is instrumented already")
    if any(base.__name__ == "TaskConsumerWrapper" for base in cls.__mro__):
        raise CannotInstrument(f"deployment {name!r} is a @task_consumer, which Serve sends no requests")
    found = next((vars(base)[method] for base in cls.__mro__ if method in vars(base)), None)
    if found is None:
        public = [key for key, value in inspect.getmembers(cls, callable) if not key.startswith("_")]
        known = ", ".join([*(["__call__"] if any("__call__" in vars(base) for base in cls.__mro__) else []), *public])
        raise CannotInstrument(f"deployment {name!r} has no method {method!r} (capture.method); it has {known}")
    if isinstance(found, staticmethod | classmethod | property) or not callable(found):
        raise CannotInstrument(f"{name}.{method} is a {type(found).__name__}; capture.method names an ordinary method")
    if getattr(found, "_serve_multiplexed_function", False):
        raise CannotInstrument(f"{name}.{method} loads models (@serve.multiplexed) and does not predict")
    if any(is_protobuf(kind) for kind in _annotations(found)):
        raise CannotInstrument(
            f"{name}.{method} takes or gives protobuf messages (gRPC), which the tap cannot read as rows: "
            "watch a deployment behind it that takes arrays, with capture.deployment and capture.method"
        )


def is_protobuf(kind: Any) -> bool:
    """True for the classes of messages that protoc makes."""
    return inspect.isclass(kind) and any(base.__module__ == "google.protobuf.message" for base in kind.__mro__)


def _annotations(method: Callable[..., Any]) -> list[Any]:
    """What the method says of its arguments and answer; nothing where its names cannot be resolved here."""
    try:
        return list(typing.get_type_hints(inspect.unwrap(method)).values())
    except (NameError, TypeError, AttributeError):
        return []


def _init(cls: Any, spec: Instrumentation, methods: list[str]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(cls.__init__):

        async def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            await cls.__init__(self, *args, **kwargs)
            attach(self, cls, spec, methods)

    else:

        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # type: ignore[misc]
            cls.__init__(self, *args, **kwargs)
            attach(self, cls, spec, methods)

    return __init__


def attach(instance: Any, cls: type, spec: Instrumentation, methods: list[str]) -> None:
    """Give a new replica's object its tapping.

    The subclass has travelled by pickle, which may have copied the functions that @serve.batch compares.
    """
    for name in methods:
        original = getattr(cls, name)
        getattr(type(instance), name).__wrapped__ = getattr(original, "__wrapped__", original)
    object.__setattr__(instance, ATTRIBUTE, Tapping(spec))  # not by the user's own __setattr__


def _del(cls: Any) -> Callable[..., Any]:
    """Serve calls `__del__` when a replica stops in good order: the tap then ships what it holds."""
    original = getattr(cls, "__del__", None)
    if inspect.iscoroutinefunction(original):

        async def __del__(self: Any) -> None:
            detach(self)
            await original(self)

    else:

        def __del__(self: Any) -> None:  # type: ignore[misc]
            detach(self)
            if original is not None:
                original(self)

    return __del__


def detach(instance: Any) -> None:
    """Close the tapping; the replica may be half made."""
    tapping = vars(instance).pop(ATTRIBUTE, None)
    if tapping is not None:
        tapping.close()
