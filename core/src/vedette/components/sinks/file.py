"""Events as JSON lines in a file."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from pathlib import Path
from typing import BinaryIO

from vedette.components.sinks.seen import Seen
from vedette_specs import Event, Sink

TAIL = 1 << 20  # bytes at the end of an existing file whose ids are remembered


class File(Sink):
    """Appends one JSON object a line. An event whose id is among the file's last lines is not written again.

    path: the file; its folder is made when missing. Several processes may share it, and it may be rotated away.
    fsync: wait for the disk before an event counts as delivered.
    """

    def __init__(self, path: str, fsync: bool = False) -> None:
        self.path = path
        self.fsync = fsync
        self._seen = Seen()
        self._read: tuple[int, int] | None = None  # inode and offset up to which ids are known
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        line = json.dumps(event.to_json(), default=str, ensure_ascii=False).encode() + b"\n"
        with self._lock, self._open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed
            torn = self._learn(file)
            if event.id in self._seen:
                return
            file.write(b"\n" + line if torn else line)
            file.flush()
            if self.fsync:
                os.fsync(file.fileno())
            self._seen.add(event.id)

    def _open(self) -> BinaryIO:
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+b")

    def _learn(self, file: BinaryIO) -> bool:
        """Read the ids that are new in the file; True where its last line was never finished."""
        status = os.fstat(file.fileno())
        known = self._read is not None and self._read[0] == status.st_ino and self._read[1] <= status.st_size
        start = self._read[1] if known and self._read else max(0, status.st_size - TAIL)
        file.seek(start)
        data = file.read()
        for line in data.split(b"\n"):
            if (id := _id(line)) is not None:
                self._seen.add(id)
        whole = data.rfind(b"\n") + 1
        self._read = (status.st_ino, start + whole)
        return whole < len(data)


def _id(line: bytes) -> str | None:
    """The id of a written event; None for a line that was cut or is not an event."""
    try:
        body = json.loads(line)
    except ValueError:
        return None
    return body.get("id") if isinstance(body, dict) else None
