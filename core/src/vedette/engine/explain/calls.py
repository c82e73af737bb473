"""The thread that turns the waiting questions of many explanations into few model calls."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from vedette.engine.explain.rows import AnswerCache, row_keys, signature, visible
from vedette_specs import Batch, Floats, Predict, concat


class ModelCallError(RuntimeError):
    """The model could not be asked, raised, or answered with something that is not (rows, outputs)."""


@dataclass(eq=False)
class Ticket:
    """Rows waiting for predictions. owner: the explanation that asked.  done: answer or error is there."""

    owner: int
    target: str
    rows: Batch
    answer: Floats | None = None
    error: ModelCallError | None = None
    cancelled: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    def finish(self, answer: Floats | None = None, error: ModelCallError | None = None) -> None:
        self.answer, self.error = answer, error
        self.done.set()


class Caller:
    """Gathers tickets and answers them, in a thread that lives while there are explanations (`enter`, `leave`).

    It calls the model as soon as every live explanation waits for it, or `linger` seconds after the first ticket.
    """

    def __init__(
        self,
        targets: Mapping[str, Predict],
        version: Callable[[], str],
        cache: AnswerCache,
        max_call_rows: int,
        linger: float,
    ) -> None:
        self.counters = {"asked_rows": 0, "model_calls": 0, "model_rows": 0, "cached_rows": 0, "failed_calls": 0}
        self._targets = targets
        self._version = version
        self._cache = cache
        self._max_call_rows = max_call_rows
        self._linger = linger
        self._secret = secrets.randbits(64)
        self._changed = threading.Condition()
        self._pending: list[Ticket] = []
        self._live = 0
        self._thread: threading.Thread | None = None

    def enter(self) -> None:
        with self._changed:
            self._live += 1

    def leave(self) -> None:
        with self._changed:
            self._live -= 1
            self._changed.notify_all()

    def submit(self, tickets: Iterable[Ticket]) -> None:
        with self._changed:
            self._pending.extend(tickets)
            if self._thread is None or not self._thread.is_alive():  # not alive: this is a fork
                self._thread = threading.Thread(target=self._run, name="vedette-broker", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _run(self) -> None:
        tickets: list[Ticket] = []
        try:
            while tickets := self._next():
                self._answer([ticket for ticket in tickets if not ticket.cancelled])
        finally:
            # Reached with unanswered tickets only by what is no Exception (a model that exits the interpreter).
            for ticket in tickets:
                if not ticket.done.is_set():
                    ticket.finish(error=ModelCallError("the thread that calls the model was ended by the model"))
            if tickets:
                with self._changed:
                    self._thread = None

    def _next(self) -> list[Ticket]:
        """The tickets of the next round; none when nobody is there any more: the thread then ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending or not self._live)
            self._changed.wait_for(self._all_waiting, timeout=self._linger)
            tickets, self._pending = self._pending, []
            if not tickets:
                self._thread = None
            return tickets

    def _all_waiting(self) -> bool:
        return len({ticket.owner for ticket in self._pending}) >= self._live

    def _answer(self, tickets: Sequence[Ticket]) -> None:
        def alike(ticket: Ticket) -> str:
            return repr((ticket.target, signature(ticket.rows)))

        for _, group in groupby(sorted(tickets, key=alike), key=alike):
            self._answer_group(list(group))

    def _answer_group(self, tickets: list[Ticket]) -> None:
        """Answer tickets that fit into one call. Where it fails, each owner is asked for apart: rows that the model
        cannot take cost nobody else an answer."""
        try:
            answers = self._predict(tickets[0].target, [ticket.rows for ticket in tickets])
        except Exception as error:  # the model is a stranger's code; its failure is handed to who asked
            self.counters["failed_calls"] += 1
            owners = {ticket.owner for ticket in tickets}
            if len(owners) > 1:
                for owner in owners:
                    self._answer_group([ticket for ticket in tickets if ticket.owner == owner])
                return
            for ticket in tickets:
                ticket.finish(error=_call_error(ticket, error))
            return
        for ticket, answer in zip(tickets, answers, strict=True):
            ticket.finish(answer=answer)

    def _predict(self, target: str, blocks: list[Batch]) -> list[Floats]:
        if target not in self._targets:
            raise LookupError(f"{target!r} cannot be asked; there are: {', '.join(sorted(self._targets))}")
        rows = concat([visible(block) for block in blocks])
        self._cache.use_version(self._version())
        keys, first, place = np.unique(row_keys(rows, self._secret), return_index=True, return_inverse=True)
        names = [bytes(key) for key in keys]
        found = self._cache.find(target, names)
        new = [i for i, answer in enumerate(found) if answer is None]
        self.counters["asked_rows"] += len(rows)
        self.counters["cached_rows"] += len(names) - len(new)
        if new:
            fresh = self._call(target, rows.take(first[new]))
            self._cache.keep(target, [names[i] for i in new], fresh)
            for i, answer in zip(new, fresh, strict=True):
                found[i] = answer
        answers = np.stack([answer for answer in found if answer is not None])[place.ravel()]
        return np.split(answers, np.cumsum([len(block) for block in blocks])[:-1])

    def _call(self, target: str, rows: Batch) -> Floats:
        parts = []
        for start in range(0, len(rows), self._max_call_rows):
            part = rows.take(slice(start, start + self._max_call_rows))
            self.counters["model_calls"] += 1
            self.counters["model_rows"] += len(part)
            parts.append(as_answer(self._targets[target](part), len(part)))
        return np.concatenate(parts)


def as_answer(values: object, rows: int) -> Floats:
    """(rows, outputs) float64 of what a model returned; ModelCallError where it is something else."""
    try:
        answer = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelCallError(f"the model did not answer with numbers: {error}") from error
    if answer.ndim not in (1, 2) or len(answer) != rows:
        raise ModelCallError(f"the model answered {rows} rows with shape {answer.shape}; it is ({rows}, outputs)")
    return answer.reshape(rows, -1)


def _call_error(ticket: Ticket, error: Exception) -> ModelCallError:
    reason = str(error) if isinstance(error, ModelCallError) else repr(error)
    failure = ModelCallError(f"asking {ticket.target!r} for {len(ticket.rows)} rows failed: {reason}")
    failure.__cause__ = error
    return failure
