"""What an endpoint logs between `with bentoml.monitor(name) as m:` and its end.

BentoML's own base class learns the columns from the first record, and asserts what holds as long as no other record is
made meanwhile. While the first requests are served at once it does not hold, and they fail; so do records after one
whose body raised, and records within others. Here each record has columns of its own, and nothing raises.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from vedette.engine.tap.settings import Complaints
from vedette_bentoml import graph

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
        raise NotImplementedError

    def start_record(self) -> None:
        self._open.set(Record())  # one that is open still is of an endpoint that raised: it has no answer

    def log(self, data: Any, name: str, role: str, data_type: str) -> None:
        self._log((data,), name, role)

    def log_batch(self, data_batch: Iterable[Any], name: str, role: str, data_type: str) -> None:
        self._log(data_batch, name, role)

    def stop_record(self) -> None:
        record = self._open.get()
        self._open.set(None)
        if record is None or not record.columns:
            return
        try:
            self.export(record)
        except Exception as error:  # the model must not suffer
            self._lost("record", "a record", error)

    def _log(self, values: Iterable[Any], name: str, role: str) -> None:
        try:
            record = self._open.get()
            if record is None:
                raise RuntimeError("logged outside of a record: use the monitor in `with bentoml.monitor(...)`")
            if role not in ROLES:
                raise ValueError(f"role {role!r} is unknown; allowed: {', '.join(ROLES)}")
            found = list(values)  # all or nothing, also of a generator that raises
            record.column(f"{name}_" if name in self.PRESERVED_COLUMNS else name, role).extend(found)
        except Exception as error:  # the model must not suffer
            self._lost("column", f"column {name!r}", error)

    def _lost(self, kind: str, what: str, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        self.complaints.warn(f"{kind} lost", f"{what} of bentoml.monitor({self.name!r}) is lost: {reason}")
