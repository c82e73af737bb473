"""Endpoints of a service, each replaced by one of the same kind that shows its calls to the tap."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

from vedette.engine.capture.streams import async_tee, tee
from vedette_bentoml import graph
from vedette_bentoml.notes import NOTE
from vedette_bentoml.tapping import Tapping


def wrap(api: graph.APIMethod[..., Any], tapping: Tapping) -> None:
    """Change the endpoint in place. What it takes, answers and documents stays as it was."""
    if api.batchable:
        _batchable(api, tapping)
    else:
        graph.replace_function(api, _wrapped(api.func, api.ctx_param, tapping))


def _wrapped(function: graph.Function, context: str | None, tapping: Tapping) -> graph.Function:
    if inspect.isasyncgenfunction(function):

        async def method(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            note, call = NOTE.get(), tapping.kept(args, kwargs)
            stream = function(self, *args, **kwargs)
            async for item in async_tee(stream, lambda answer: tapping.streamed(note, call, answer, context)):
                yield item

    elif inspect.iscoroutinefunction(function):

        async def method(self: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]  # of another form
            call = tapping.kept(args, kwargs)
            return tapping.answered(call, await function(self, *args, **kwargs), context)

    elif inspect.isgeneratorfunction(function):

        def method(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:  # type: ignore[misc]  # the same
            note, call = NOTE.get(), tapping.kept(args, kwargs)
            stream = function(self, *args, **kwargs)
            yield from tee(stream, lambda answer: tapping.streamed(note, call, answer, context))

    else:

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]  # of another form
            call = tapping.kept(args, kwargs)
            return tapping.answered(call, function(self, *args, **kwargs), context)

    return functools.update_wrapper(method, function)


def _batchable(api: graph.APIMethod[..., Any], tapping: Tapping) -> None:
    """Each request by itself, before BentoML puts it together with others and after it has taken them apart."""

    def seen(value: Any) -> Any:
        if (note := NOTE.get()) is not None:
            try:
                note.given = tapping.kept(*graph.arguments(api, value))
            except Exception as error:  # the model must not suffer
                tapping.failed(error)
        return value

    def answered(result: Any) -> Any:
        note = NOTE.get()
        if note is not None and note.given is not None:
            call, note.given = note.given, None
            try:
                tapping.show(note, call, result, api.ctx_param)
            except Exception as error:  # the model must not suffer
                tapping.failed(error)
        return result

    graph.replace_conversion(api, seen, answered)
