"""The tap of a model's process, as the wrapped endpoints see it: it takes whatever they show, and never raises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from vedette.config.plan import TapSpec
from vedette.engine.capture.call import Call
from vedette.engine.capture.exchange import Bounded
from vedette.engine.tap.lazy import LazyTap
from vedette.engine.tap.settings import Complaints
from vedette.engine.tap.transport import Transport
from vedette_bentoml.keeping import Held, Kept, TooLarge, kept
from vedette_bentoml.notes import NOTE, Note

_NO_HEADERS: Mapping[str, Any] = {}


class Tapping(LazyTap):
    """Turns what the endpoints show into calls for the tap. An error here is logged once and costs rows only."""

    def __init__(
        self, connect: Callable[[], Transport], settings: TapSpec | None = None, model_version: str = ""
    ) -> None:
        super().__init__(connect, settings, model_version)
        self._reset()

    def kept(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Kept:
        """The arguments of a call, to be shown once it is answered: the endpoint may change its own in place.

        What asks not to be logged is not copied, nor what does not fit beside the copies of other calls under way.
        """
        note = NOTE.get()
        if note is not None and note.skipped:
            return Kept(args, kwargs)
        try:
            return kept(args, kwargs, self._held)
        except TooLarge as error:
            self._complaints.warn("calls not copied", f"a call is monitored as its endpoint leaves it: {error}")
        except Exception as error:  # the model must not suffer
            self.failed(error)
        return Kept(args, kwargs)

    def answered(self, call: Kept, result: Any, context: str | None) -> Any:
        """Show a call and its answer; returns the answer, to be given on. context: parameter that is no input."""
        try:
            if isinstance(result, StreamingResponse):
                result.body_iterator = self._watched(result.body_iterator, call, context, NOTE.get())
            else:
                self.show(NOTE.get(), call, result, context)
        except Exception as error:  # the model must not suffer
            self.failed(error)
        return result

    def streamed(self, note: Note | None, call: Kept, answer: Bounded, context: str | None) -> None:
        """Show a call that was answered piece by piece."""
        try:
            self.show(note, call, answer.joined(), context)
        except Exception as error:  # the model must not suffer
            self.failed(error)

    def show(self, note: Note | None, call: Kept, result: Any, context: str | None) -> None:
        if note is not None:
            note.shown = True
            if note.skipped:
                return
        kwargs = call.kwargs
        status = getattr(result, "status_code", None)
        if status is None and context is not None and context in kwargs:
            status = kwargs[context].response.status_code
        self.offer(
            Call(
                args=call.args,
                kwargs={name: value for name, value in kwargs.items() if name != context} if context else kwargs,
                response=result,
                headers=_NO_HEADERS if note is None else note.headers,
                status=status if isinstance(status, int) else 200,
                request_id=None if note is None else note.id,
            )
        )

    async def _watched(self, chunks: Any, call: Kept, context: str | None, note: Note | None) -> AsyncIterator[Any]:
        answer = Bounded()
        async for chunk in chunks:
            answer.add(chunk)
            yield chunk
        self.streamed(note, call, answer, context)

    def _reset(self) -> None:
        self._held = Held(self.settings.buffer_bytes)
        self._complaints = Complaints()

    def _after_fork(self) -> None:
        super()._after_fork()
        self._reset()  # the parent's calls are not under way here
