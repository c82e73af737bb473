"""One JSON file an event."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

from vedette_specs import Event, Sink


class MyComponent(Sink):
    """Writes each event to `<folder>/<id>.json`: sending it again changes nothing.

    folder: made when missing.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def emit(self, event: Event) -> None:
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{quote(event.id, safe='')}.json"
        unfinished = target.with_suffix(f".{os.getpid()}.part")
        unfinished.write_text(json.dumps(event.to_json(), default=str))
        unfinished.replace(target)
