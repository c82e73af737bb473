"""The tap of a model's process, as the wrapped endpoints see it: it takes whatever they show, and never raises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from vedette.engine.capture.call import Call
from vedette.engine.capture.exchange import Bounded
from vedette.engine.tap.lazy import LazyTap
from vedette_bentoml.keeping import kept
from vedette_bentoml.notes import NOTE, Note

Arguments = tuple[tuple[Any, ...], Mapping[str, Any]]
_NO_HEADERS: Mapping[str, Any] = {}


class Tapping(LazyTap):
    """Turns what the endpoints show into calls for the tap. An error here is logged once and costs rows only."""

    def kept(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """The arguments of a call, to be shown once it is answered: the endpoint may change its own in place.

        More than the tap may hold at all is not copied, nor what asks not to be logged.
        """
        note = NOTE.get()
        if note is not None and note.skipped:
            return args, kwargs
        try:
            return kept(args, kwargs, self.settings.buffer_bytes)
        except Exception as error:  # the model must not suffer
            self.failed(error)
            return args, kwargs

    def answered(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any, context: str | None) -> Any:
        """Show a call and its answer; returns the answer, to be given on. context: parameter that is no input."""
        try:
            if isinstance(result, StreamingResponse):
                note = NOTE.get()
                result.body_iterator = self._watched(result.body_iterator, args, kwargs, context, note)
            else:
                self.show(NOTE.get(), args, kwargs, result, context)
        except Exception as error:  # the model must not suffer
            self.failed(error)
        return result

    def streamed(
        self, note: Note | None, args: tuple[Any, ...], kwargs: Mapping[str, Any], kept: Bounded, context: str | None
    ) -> None:
        """Show a call that was answered piece by piece."""
        try:
            self.show(note, args, kwargs, kept.joined(), context)
        except Exception as error:  # the model must not suffer
            self.failed(error)

    def show(
        self, note: Note | None, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any, context: str | None
    ) -> None:
        if note is not None:
            note.shown = True
            if note.skipped:
                return
        status = getattr(result, "status_code", None)
        if status is None and context is not None and context in kwargs:
            status = kwargs[context].response.status_code
        self.offer(
            Call(
                args=args,
                kwargs={name: value for name, value in kwargs.items() if name != context} if context else kwargs,
                response=result,
                headers=_NO_HEADERS if note is None else note.headers,
                status=status if isinstance(status, int) else 200,
                request_id=None if note is None else note.id,
            )
        )

    async def _watched(
        self, chunks: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], context: str | None, note: Note | None
    ) -> AsyncIterator[Any]:
        kept = Bounded()
        async for chunk in chunks:
            kept.add(chunk)
            yield chunk
        self.streamed(note, args, kwargs, kept, context)
