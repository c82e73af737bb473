"""One producer's spool on disk: segments of framed records, and how far each pool has got."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from vedette_specs.codec import CodecError, decode, encode

_FRAME = struct.Struct("<4sII")  # magic, length, crc32 of the payload
_ACK = struct.Struct("<QI")  # number, crc32 of its eight bytes
_MAGIC = b"VSP1"
_SEGMENT = ".segment"


@dataclass(slots=True)
class Segment:
    path: Path
    size: int
    last: dict[str, int]  # pool -> greatest number written


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record is. Raises OSError when the file is gone, CodecError when it is damaged."""

    path: Path
    offset: int
    length: int

    def read(self) -> dict[str, Any]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            payload = _payload(file.read(_FRAME.size + self.length))
        if payload is None:
            raise CodecError(f"damaged record in {self.path.name} at {self.offset}")
        record: dict[str, Any] = decode(payload)
        return record

    def batch(self) -> bytes:
        found: bytes = self.read()["batch"]
        return found


class Folder:
    """Held under flock as long as its process lives. All methods raise OSError where the disk does."""

    def __init__(self, path: Path, lock: int, segment_bytes: int = 8 << 20) -> None:
        self.path = path
        self.acks: dict[str, int] = {}
        self.segments: list[Segment] = []
        self.broken = False
        self._lock_file = lock
        self._files: dict[str, int] = {}
        self._segment_bytes = segment_bytes
        self._number = 0
        self._tail: int | None = None
        self._mutex = threading.RLock()

    @classmethod
    def create(cls, root: Path, name: str, segment_bytes: int) -> Folder:
        """A new folder, locked before it gets the name by which others find it."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = root / f".{name}"
        fresh.mkdir(mode=0o700)
        lock = os.open(fresh / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(root / name)
        return cls(root / name, lock, segment_bytes)

    @classmethod
    def adopt(cls, path: Path) -> Folder | None:
        """The folder of a process that is gone; None while somebody holds it."""
        try:
            lock = os.open(path / "lock", os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.stat(path / "lock").st_ino == os.fstat(lock).st_ino
        except (BlockingIOError, FileNotFoundError):
            same = False
        if not same:
            os.close(lock)
            return None
        folder = cls(path, lock)
        folder._read_acks()
        return folder

    def append(self, record: Mapping[str, Any], seqs: Mapping[str, int], *, sync: bool) -> Place:
        """Write a record behind the others; half a record never stays."""
        payload = encode(record)
        frame = _FRAME.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload
        with self._mutex:
            if self._tail is None or self.segments[-1].size >= self._segment_bytes:
                self._next_segment()
            segment, tail = self.segments[-1], self._tail
            assert tail is not None
            try:
                _write_all(tail, frame)
                if sync:
                    os.fdatasync(tail)
            except OSError:
                os.ftruncate(tail, segment.size)
                raise
            place = Place(segment.path, segment.size, len(payload))
            segment.size += len(frame)
            segment.last.update(seqs)
            return place

    def ack(self, pool: str, seq: int) -> None:
        """The pool is through with all records up to this number; segments that all pools are through with go."""
        with self._mutex:
            self.acks[pool] = max(seq, self.acks.get(pool, 0))
            if pool not in self._files:
                name = self.path / f"ack-{quote(pool, safe='')}"
                self._files[pool] = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
            number = struct.pack("<Q", self.acks[pool])
            os.pwrite(self._files[pool], number + struct.pack("<I", zlib.crc32(number)), 0)
            while len(self.segments) > 1 and self._through(self.segments[0]):
                self.segments.pop(0).path.unlink(missing_ok=True)

    def size(self) -> int:
        with self._mutex:
            return sum(segment.size for segment in self.segments)

    def drop_oldest(self) -> bool:
        """Delete the oldest segment, unless it is the one being written."""
        with self._mutex:
            if len(self.segments) < 2:
                return False
            self.segments.pop(0).path.unlink(missing_ok=True)
            return True

    def records(self) -> Iterator[tuple[Place, dict[str, Any]]]:
        """All whole records in order; a torn tail is cut off. Only for a folder that nobody writes."""
        for path in sorted(self.path.glob(f"*{_SEGMENT}")):
            segment = Segment(path, 0, {})
            with self._mutex:
                self.segments.append(segment)
            yield from _scan(segment)

    def done(self) -> bool:
        with self._mutex:
            return all(self._through(segment) for segment in self.segments)

    def close(self, *, remove: bool) -> None:
        """Let go; remove: nothing in it is needed any more."""
        with self._mutex:
            if remove:
                shutil.rmtree(self.path, ignore_errors=True)
            self.forget()

    def forget(self) -> None:
        """Close the files without unlocking: after a fork the lock is still the parent's."""
        for file in [*self._files.values(), self._lock_file, *([self._tail] if self._tail is not None else [])]:
            os.close(file)
        self._files = {}
        self._tail = None

    def _next_segment(self) -> None:
        self._number += 1
        path = self.path / f"{self._number:010d}{_SEGMENT}"
        tail = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        if self._tail is not None:
            os.close(self._tail)
        self._tail = tail
        self.segments.append(Segment(path, 0, {}))

    def _through(self, segment: Segment) -> bool:
        return all(self.acks.get(pool, 0) >= seq for pool, seq in segment.last.items())

    def _read_acks(self) -> None:
        for path in self.path.glob("ack-*"):
            data = path.read_bytes()[: _ACK.size]
            if len(data) == _ACK.size:
                number, check = _ACK.unpack(data)
                if zlib.crc32(data[:8]) == check:  # a torn one: sent again, and suppressed by its number
                    self.acks[unquote(path.name.removeprefix("ack-"))] = number


def _scan(segment: Segment) -> Iterator[tuple[Place, dict[str, Any]]]:
    with segment.path.open("r+b") as file:
        while head := file.read(_FRAME.size):
            length = _FRAME.unpack(head)[1] if len(head) == _FRAME.size else 0
            payload = _payload(head + file.read(length))
            if payload is None:
                file.truncate(segment.size)
                return
            record: dict[str, Any] = decode(payload)
            place = Place(segment.path, segment.size, length)
            segment.size += _FRAME.size + length
            segment.last.update(record["seqs"])
            yield place, record


def _payload(frame: bytes) -> bytes | None:
    """What a frame holds; None where it is torn or damaged."""
    if len(frame) < _FRAME.size:
        return None
    magic, length, check = _FRAME.unpack_from(frame)
    payload = frame[_FRAME.size : _FRAME.size + length]
    good = magic == _MAGIC and len(payload) == length and zlib.crc32(payload) == check
    return payload if good else None


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
