"""BentoML's services from the inside. The only module that touches its private names; its tests name the version."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, MutableMapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit


class UnsupportedBentoML(RuntimeError):
    """This version of BentoML is not built as Vedette knows it."""


def unsupported(error: Exception) -> NoReturn:
    raise UnsupportedBentoML(f"bentoml {version('bentoml')} is not supported: {error}") from error


try:
    import attrs
    from _bentoml_sdk.method import APIMethod
    from _bentoml_sdk.service import Service
    from _bentoml_sdk.service.dependency import Dependency
    from bentoml._internal.context import _request_var, trace_context
    from bentoml._internal.monitoring.base import MonitorBase
    from bentoml._internal.utils.uri import join_paths

    import bentoml
except ImportError as error:
    unsupported(error)

STARTED = "BENTOML_RUNNER_MAP"  # a variable in processes that one that serves has started
Function = Callable[..., Any]
Change = Callable[[Any], Any]


@attrs.define
class Neighbour(Dependency):  # type: ignore[misc]  # BentoML does not say its type
    """A service that is started beside the one that depends on it, and never asked whether it is well.

    Unlike bentoml.depends it gives no proxy: a model's /readyz must not fail because a monitor has died, and proxies
    belong to an event loop, which the threads of a tap do not have.
    """

    on: Any = None
    _resolved: Any = attrs.field(default=None, init=False)
    _making: threading.Lock = attrs.field(factory=threading.Lock, init=False)

    def __get__(self, instance: Any, owner: Any) -> Any:
        return self if instance is None else None

    def local(self) -> Any:
        """The service's object where it runs in this process (in tests, and with `--development`); made at first use,
        once, though the tap and a request may both be the first."""
        with self._making:
            if self._resolved is None:
                self._resolved = self.on()
            return self._resolved

    @property
    def started(self) -> bool:
        return self._resolved is not None

    @property
    def here(self) -> bool:
        """Whether it runs in this process, in one that BentoML has started to serve."""
        return STARTED in os.environ and address(self.on) is None

    async def close(self) -> None:
        self._resolved = None


def check_service(value: Any) -> Service[Any]:
    """The service itself; TypeError for anything else, UnsupportedBentoML where it has not what Vedette changes."""
    if not isinstance(value, Service):
        raise TypeError(f"watch: a class decorated with @bentoml.service is needed, not {type(value).__name__}")
    try:
        value.apis, value.dependencies, value.mount_apps, value.inner, value.path_prefix, value.config  # noqa: B018
        for api in value.apis.values():
            api.func, api.route, api.batchable, api.ctx_param, api.input_spec, api.output_spec  # noqa: B018
    except AttributeError as error:
        unsupported(error)
    return value


def endpoint(service: Any, name: str) -> APIMethod[..., Any]:
    found: APIMethod[..., Any] = service.apis[name]
    return found


def replace_function(api: APIMethod[..., Any], function: Function) -> None:
    """What the endpoint runs. Its name, route and schema stay, since they were read when it was declared."""
    api.func = function


def replace_conversion(api: APIMethod[..., Any], seen: Change, answered: Change) -> None:
    """Show each request's decoded input and output: a batchable endpoint's function sees many requests at once.

    seen, answered: called with the value, whose result they give back, in the request's own context.
    """
    given, returned = api.input_spec, api.output_spec

    async def from_http_request(cls: Any, request: Any, serde: Any) -> Any:
        return seen(await given.from_http_request.__func__(cls, request, serde))

    async def to_http_response(cls: Any, value: Any, serde: Any) -> Any:
        return await returned.to_http_response.__func__(cls, answered(value), serde)

    api.input_spec = _changed(given, "from_http_request", from_http_request)
    api.output_spec = _changed(returned, "to_http_response", to_http_response)


def _changed(spec: Any, name: str, method: Function) -> Any:
    body = {"__module__": spec.__module__, "__doc__": spec.__doc__, name: classmethod(method)}
    return type(spec)(spec.__name__, (spec,), body)


def arguments(api: APIMethod[..., Any], value: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What BentoML calls the endpoint's function with, for an input that it has decoded."""
    if getattr(api.input_spec, "__root_input__", False):
        return (getattr(value, "root", value),), {}
    return (), {name: getattr(value, name) for name in type(value).model_fields}


def parameters(api: APIMethod[..., Any]) -> dict[str, dict[str, Any]] | None:
    """Name -> JSON schema of the arguments of a request's body; None where the body is the only argument."""
    schema = api.schema()["input"]
    if getattr(api.input_spec, "__root_input__", False):
        return None
    return dict(schema.get("properties", {}))


def root_schema(api: APIMethod[..., Any]) -> dict[str, Any]:
    return dict(api.schema()["input"])


def path_of(service: Any, path: str) -> str:
    """Where the service serves `path`, with its prefix."""
    return str(join_paths(service.path_prefix, path))


def start_beside(service: Any, name: str, other: Service[Any]) -> Neighbour:
    """Have `other` started with `service`; name: an attribute of the service's class."""
    found = Neighbour(on=other)
    setattr(service.inner, name, found)
    service.dependencies[name] = found
    return found


def add_hooks(service: Any, start: Function, stop: Function) -> None:
    """Run functions of the service's object when it starts to serve, and when it stops."""
    service.inner._vedette_start = bentoml.on_startup(start)
    service.inner._vedette_stop = bentoml.on_shutdown(stop)


def add_stop_hook(instance: Any, name: str, stop: Function) -> None:
    """The same for a service that serves already: hooks are looked up when it stops."""
    setattr(type(instance), name, bentoml.on_shutdown(stop))


def make_service(inner: type, name: str, config: dict[str, Any]) -> Service[Any]:
    made: Service[Any] = bentoml.service(name=name, **config)(inner)
    return made


def address(service: Any) -> tuple[str, str | None] | None:
    """(base URL, Unix socket if it has one) of a service; None where it runs in this process."""
    url = service.url
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme == "file":
        return "http://localhost", str(Path(unquote(parts.path)))
    return str(url), None


def request_headers() -> dict[Any, Any]:
    """Headers (bytes) of the request that is being served; empty outside of one."""
    request = _request_var.get(None)
    return {} if request is None else dict(request.scope["headers"])


def request_scope() -> MutableMapping[str, Any] | None:
    """ASGI scope of the request that is being served, the same object everywhere in it; None outside of one."""
    request = _request_var.get(None)
    return None if request is None else request.scope


def own_request_id() -> str | None:
    """BentoML's id of the request, as its response says in X-BentoML-Request-ID; None outside of one."""
    found = trace_context.request_id
    return None if found is None else format(found, "016x")


__all__ = ["APIMethod", "MonitorBase", "Service", "UnsupportedBentoML", "version"]
