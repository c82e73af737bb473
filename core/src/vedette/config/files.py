"""Files that people name: whether they are there, and whether their text can be read."""

from __future__ import annotations

import gzip
from pathlib import Path

from vedette.config.faults import did_you_mean


class BadReference(ValueError):
    """The reference cannot be read, or does not fit the schema. path: the key of `schema:` that it is about.

    all: this one and the others that were found with it.
    """

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.path = path
        self.all: tuple[BadReference, ...] = (self,)


def existing(path: Path) -> Path:
    """The path; BadReference, which names the file that may be meant, where nothing is there."""
    try:
        there = path.exists()
    except OSError as error:  # a name that is too long for any file
        raise BadReference(f"the file {str(path)[:200]!r} cannot be read: {error.strerror}") from error
    if there:
        return path
    near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
    raise BadReference(f"the file {str(path)!r} does not exist{near if 'did you mean' in near else ''}")


def not_utf8(path: Path) -> str | None:
    """The first line of a text, packed or not, that is no UTF-8, in words; None where all are."""
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return f"line {number} is not UTF-8: it holds the byte 0x{byte:02x}; save the file as UTF-8"
    return None
