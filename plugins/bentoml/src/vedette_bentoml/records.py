"""What an endpoint logs between `with bentoml.monitor(name) as m:` and its end.

BentoML's own base class learns the columns from the first record, and asserts what holds as long as no other record is
made meanwhile. While the first requests are served at once it does not hold, and they fail; so do records after one
whose body raised, and those of two monitors within each other. Here each record has columns of its own, and nothing
raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from vedette.engine.tap.settings import Complaints
from vedette_bentoml import graph

KEY = "vedette.records"
ROLES = ("feature", "prediction", "target")


@dataclass(slots=True)
class Record:
    """Values of one record, and what each column is: the role that it was first logged with."""

    columns: dict[str, list[Any]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)

    def column(self, name: str, role: str) -> list[Any]:
        self.roles.setdefault(name, role)
        return self.columns.setdefault(name, [])

    def of(self, role: str) -> dict[str, list[Any]]:
        return {name: values for name, values in self.columns.items() if self.roles[name] == role}


class Recorder(graph.MonitorBase[Any]):
    """The methods that endpoints call. They never raise and never wait."""

    PRESERVED_COLUMNS = ("timestamp", "request_id", "trace_id")  # as BentoML's own monitor keeps them

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.complaints = Complaints()
        # one for each monitor, so that records of two may stand within each other; monitors live as long as the process
        self._open: ContextVar[Record | None] = ContextVar(f"vedette.record.{name}", default=None)

    def export(self, record: Record) -> None:
        """Take a record that is complete."""
        raise NotImplementedError  # BentoML makes monitors itself, and its base is no abstract class either

    def dropped(self) -> None:
        """A record could not be taken."""

    def start_record(self) -> None:
        record = Record()
        try:
            if self._open.get() is not None:
                self._tell("unfinished record", "a record is left: its body raised, or began another one of this name")
            self._open.set(record)
            self._of_request()[self.name] = record
        except Exception as error:  # the model must not suffer
            self._tell("record lost", "a record is not begun", error)

    def log(self, data: Any, name: str, role: str, data_type: str) -> None:
        self._log((data,), name, role)

    def log_batch(self, data_batch: Iterable[Any], name: str, role: str, data_type: str) -> None:
        self._log(data_batch, name, role)

    def stop_record(self) -> None:
        try:
            record = self._current()
            self._open.set(None)
            if self._of_request().get(self.name) is record:
                del self._of_request()[self.name]
            if record.columns:
                self.export(record)
        except Exception as error:  # the model must not suffer
            self.dropped()
            self._tell("record lost", "a record is lost", error)

    def _log(self, values: Iterable[Any], name: str, role: str) -> None:
        try:
            if role not in ROLES:
                raise ValueError(f"role {role!r} is unknown; allowed: {', '.join(ROLES)}")
            found = list(values)  # all or nothing, also of a generator that raises
            kept = f"{name}_" if name in self.PRESERVED_COLUMNS else name
            self._current().column(kept, role).extend(found)
        except Exception as error:  # the model must not suffer
            self._tell("column lost", f"column {str(name)[:80]!r} is lost", error)

    def _current(self) -> Record:
        """This task's record; where it began none, its request's: streams run each step in a context of its own."""
        record = self._open.get() or self._of_request().get(self.name)
        if record is None:
            raise RuntimeError("no record has begun here: use the monitor in `with bentoml.monitor(...)`")
        return record

    def _of_request(self) -> dict[str, Record]:
        """The newest open record of each monitor in the request; of nothing outside of one."""
        scope = graph.request_scope()
        found: dict[str, Record] = {} if scope is None else scope.setdefault(KEY, {})
        return found

    def _tell(self, kind: str, what: str, error: Exception | None = None) -> None:
        try:
            reason = "" if error is None else f": {type(error).__name__}: {error}"
        except Exception:  # an error of the endpoint's own kind, which cannot be shown
            reason = f": {type(error).__name__}"
        self.complaints.warn(kind, f"bentoml.monitor({self.name!r}): {what}{reason}")
