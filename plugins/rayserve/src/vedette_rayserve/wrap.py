"""Methods of the dynamic subclass: each calls the user's own method and shows call and answer to the tapping."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

from vedette.engine.capture.streams import async_tee, tee
from vedette_rayserve.tapping import tapping_of

Method = Callable[..., Any]


def tapped(cls: type, name: str) -> Method:
    """A method for a subclass of `cls` that does what `cls.<name>` does, of the same kind: async stays async."""
    original = getattr(cls, name)
    if inspect.isasyncgenfunction(original):
        return dressed(_async_generator(cls, name), original)
    if inspect.iscoroutinefunction(original):
        return dressed(_coroutine(cls, name), original)
    if inspect.isgeneratorfunction(original):
        return dressed(_generator(cls, name), original)
    return dressed(_plain(cls, name), original)


def as_class(function: Method) -> type:
    """A class whose `__call__` is the function of a function deployment, of the same kind."""
    if inspect.isasyncgenfunction(function):

        async def __call__(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            async for item in function(*args, **kwargs):
                yield item

    elif inspect.iscoroutinefunction(function):

        async def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
            return await function(*args, **kwargs)

    elif inspect.isgeneratorfunction(function):

        def __call__(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:  # type: ignore[misc]
            yield from function(*args, **kwargs)

    else:

        def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
            return function(*args, **kwargs)

    body = {"__call__": __call__, "__module__": function.__module__, "__doc__": function.__doc__}
    given = inspect.signature(function)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    __call__.__signature__ = given.replace(parameters=[itself, *given.parameters.values()])  # type: ignore[attr-defined]
    return type(function.__name__, (), body)


def dressed(method: Method, original: Method) -> Method:
    """`method` with the name, the signature and the attributes of `original`, which Serve looks at.

    @serve.batch finds `self` by comparing `__wrapped__` with its own function: so it must be the batched one.
    """
    functools.update_wrapper(method, original)
    method.__wrapped__ = getattr(original, "__wrapped__", original)  # type: ignore[attr-defined]
    method.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return method


def _plain(cls: type, name: str) -> Method:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = getattr(cls, name)(self, *args, **kwargs)
        if inspect.iscoroutine(result):
            return _awaited(self, result, args, kwargs)
        if inspect.isasyncgen(result):
            return _async_tee(self, result, args, kwargs)
        if inspect.isgenerator(result):
            return _tee(self, result, args, kwargs)
        return tapping_of(self).answered(args, kwargs, result)

    return method


def _coroutine(cls: type, name: str) -> Method:
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await getattr(cls, name)(self, *args, **kwargs)
        return tapping_of(self).answered(args, kwargs, result)

    return method


def _generator(cls: type, name: str) -> Method:
    def method(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from _tee(self, getattr(cls, name)(self, *args, **kwargs), args, kwargs)

    return method


def _async_generator(cls: type, name: str) -> Method:
    async def method(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for item in _async_tee(self, getattr(cls, name)(self, *args, **kwargs), args, kwargs):
            yield item

    return method


async def _awaited(self: Any, result: Coroutine[Any, Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return tapping_of(self).answered(args, kwargs, await result)


def _tee(self: Any, stream: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
    return tee(stream, lambda kept: tapping_of(self).streamed(args, kwargs, kept))


def _async_tee(self: Any, stream: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncIterator[Any]:
    return async_tee(stream, lambda kept: tapping_of(self).streamed(args, kwargs, kept))
