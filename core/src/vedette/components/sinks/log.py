"""Events through Python's logging."""

from __future__ import annotations

import json
import logging
import threading
from typing import Literal

from vedette.components.sinks.seen import Seen
from vedette_specs import Event, Sink

Level = Literal["debug", "info", "warning", "error", "critical"]


class Log(Sink):
    """One log record an event: a readable line, and the event itself as `record.event`.

    logger: name of the logger.
    level: level of the record.
    """

    def __init__(self, logger: str = "vedette.events", level: Level = "info") -> None:
        self.logger = logger
        self.level = level
        self._seen = Seen()
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        with self._lock:
            if event.id in self._seen:
                return
            self._seen.add(event.id)
        body = event.to_json()
        place = f"{event.model}/{event.monitor}" + (f"[{event.segment}]" if event.segment else "")
        text = json.dumps(body["payload"], default=str)
        number = logging.getLevelNamesMapping()[self.level.upper()]
        logging.getLogger(self.logger).log(number, "%s %s %s", event.kind, place, text, extra={"event": body})
