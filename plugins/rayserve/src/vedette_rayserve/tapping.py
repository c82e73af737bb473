"""The tap of one replica, as the wrapped methods see it: it takes whatever they show, and never raises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

from vedette.config.plan import CaptureSpec, TapSpec
from vedette.engine.capture import Call
from vedette.engine.capture.exchange import UNREADABLE, Bounded, Exchange
from vedette.engine.tap.lazy import LazyTap
from vedette_rayserve.calls import call_of, call_of_exchange

if TYPE_CHECKING:
    from vedette.engine.tap.transport import Transport

ATTRIBUTE = "_vedette_tapping"


@dataclass(frozen=True)
class Instrumentation:
    """What a replica of the model has to know; everything else it learns from the monitors at run time.

    monitors: name of the monitors' application.  transport: import string of a callable that takes it.
    """

    monitors: str
    capture: CaptureSpec = field(default_factory=CaptureSpec)
    tap: TapSpec = field(default_factory=TapSpec)
    transport: str = "vedette_rayserve.transport:RayTransport"

    def connect(self) -> Transport:
        module, _, name = self.transport.partition(":")
        make: Callable[[str], Transport] = getattr(import_module(module), name)
        return make(self.monitors)


class Tapping(LazyTap):
    """Turns what the wrapped methods show into calls for the tap. An error here is logged once and costs rows only."""

    def __init__(self, spec: Instrumentation) -> None:
        super().__init__(spec.connect, spec.tap)
        self.spec = spec
        self.example: Call | None = None  # the last call: how an explainer's rows have to look
        self.where = {"path": "/", "root_path": ""}  # and where it was sent

    def answered(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> Any:
        """Show a call and its answer; returns the answer, to be given on."""
        try:
            if isinstance(result, StreamingResponse):
                result.body_iterator = self._watched(result.body_iterator, args, kwargs)
            else:
                self.offer(call_of(args, kwargs, result))
        except Exception as error:  # the model must not suffer
            self.failed(error)
        return result

    def streamed(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], kept: Bounded) -> None:
        """Show a call that was answered piece by piece."""
        try:
            self.offer(call_of(args, kwargs, kept.joined()))
        except Exception as error:  # the model must not suffer
            self.failed(error)

    def exchanged(self, exchange: Exchange) -> None:
        """Show an ASGI request and its response."""
        try:
            call = call_of_exchange(exchange, self.spec.capture.method)
            self.offer(call)
            if call is not None:
                scope = exchange.scope
                self.where = {"path": scope["path"], "root_path": exchange.root_path}
        except Exception as error:  # the model must not suffer
            self.failed(error)

    def offer(self, call: Call | None) -> None:
        super().offer(call)
        if call is not None and call.status < 400 and call.request != UNREADABLE:
            self.example = call

    async def _watched(self, chunks: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> AsyncIterator[Any]:
        kept = Bounded()
        async for chunk in chunks:
            kept.add(chunk)
            yield chunk
        self.streamed(args, kwargs, kept)


class _Untapped(Tapping):
    """Of an object that is still in its __init__ (models warm up by calling themselves), or could not be tapped."""

    def __init__(self) -> None:
        super().__init__(Instrumentation(monitors=""))

    def offer(self, call: Call | None) -> None:
        return None

    def __reduce__(self) -> str:
        """It travels with the classes that name it, and stays the one of its process."""
        return "UNTAPPED"


UNTAPPED = _Untapped()


def tapping_of(instance: Any) -> Tapping:
    """The object's tapping; UNTAPPED, from its class, while it has none: so its own __getattr__ is never asked."""
    found: Tapping = getattr(instance, ATTRIBUTE)
    return found
