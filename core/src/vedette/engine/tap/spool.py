"""The optional spool: what the tap has captured survives its process, and is delivered by another one.

Every frozen batch is written to a folder of its producer before it is shipped, so that SIGKILL loses no more than what
was not captured yet (one flush, 50 ms). `sync: true` makes every offer wait until its rows are written and fsynced:
nothing that was answered is lost, not even by a power failure, and the model pays for the disk (an offer that waits for
a second goes on and is counted as `sync_late`). A folder whose process is gone (its flock is free) is adopted: shipped
with the old producer's id and numbers, so that what had arrived is suppressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vedette.engine.tap.holdings import Holdings, Shipment
from vedette.engine.tap.settings import Complaints
from vedette.engine.tap.spool_folder import Folder
from vedette_specs.codec import CodecError

_TOP_UP = 4096  # adopted records in memory at a time (their places only)


@dataclass
class _Orphan:
    folder: Folder
    shipments: Iterator[Shipment]
    exhausted: bool = False
    waiting: set[int] = field(default_factory=set)


class Spool:
    """Errors of the disk stop the spooling, are counted and logged, and cost the tap nothing else."""

    def __init__(self, root: Path, sync: bool, held: Holdings, complaints: Complaints, max_bytes: int) -> None:
        self.root = root
        self.folder: Folder | None = None
        self._sync = sync
        self._held = held
        self._complaints = complaints
        self._max_bytes = max_bytes
        self._orphans: dict[Path, _Orphan] = {}

    @classmethod
    def open(
        cls, root: str, producer: str, sync: bool, held: Holdings, complaints: Complaints, max_bytes: int = 1 << 30
    ) -> Spool:
        """A spool with a folder of its own under `root`. Never raises."""
        spool = cls(Path(root), sync, held, complaints, max_bytes)
        try:
            spool.folder = Folder.create(spool.root, producer, min(8 << 20, max(1, max_bytes // 8)))
        except OSError as error:
            spool._stop(error)
        return spool

    def store(self, shipment: Shipment) -> None:
        """Write a frozen batch; from then on it can be read back, and its pools' progress is recorded."""
        folder = self.folder
        if folder is None or folder.broken:
            return
        record = {
            "seqs": dict(shipment.seqs),
            "low": shipment.low,
            "rows": shipment.rows,
            "batch": shipment.batch,
            "version": shipment.model_version,
        }
        try:
            place = folder.append(record, shipment.seqs, sync=self._sync)
            shipment.load = place.batch
            shipment.settled = self._acker(folder)
            while folder.size() > self._max_bytes and folder.drop_oldest():
                self._held.count("spool_overflows")
                self._complaints.warn("spool full", f"{self.root} is over {self._max_bytes} bytes: its oldest rows go")
        except (OSError, CodecError) as error:
            folder.broken = True
            self._stop(error)

    def adopt(self, pools: Sequence[str]) -> None:
        """Take over what dead processes left behind, a few thousand batches at a time."""
        try:
            for path in sorted(self.root.iterdir()):
                mine = self.folder is not None and path == self.folder.path
                if path.name.startswith(".") or mine or path in self._orphans or not path.is_dir():
                    continue
                if (folder := Folder.adopt(path)) is not None:
                    self._held.count("adopted_spools")
                    self._orphans[path] = _Orphan(folder, self._shipments(folder, list(pools)))
            for path, orphan in list(self._orphans.items()):
                self._top_up(path, orphan)
        except (OSError, CodecError, KeyError, TypeError) as error:
            self._held.count("spool_errors")
            self._complaints.warn("adoption failed", f"a spool under {self.root} cannot be adopted: {error!r}")

    def close(self) -> None:
        """Folders that are through are removed; the others wait for another process."""
        for orphan in self._orphans.values():
            orphan.folder.close(remove=orphan.exhausted and orphan.folder.done())
        if self.folder is not None:
            self.folder.close(remove=self.folder.done())
        self.folder = None
        self._orphans = {}

    def forget(self) -> None:
        """After a fork, in the child."""
        for folder in [self.folder, *(orphan.folder for orphan in self._orphans.values())]:
            if folder is not None:
                folder.forget()
        self.folder = None
        self._orphans = {}

    def _top_up(self, path: Path, orphan: _Orphan) -> None:
        orphan.waiting = {serial for serial in orphan.waiting if not self._held.through(serial)}
        while len(orphan.waiting) < _TOP_UP and not orphan.exhausted:
            shipment = next(orphan.shipments, None)
            if shipment is None:
                orphan.exhausted = True
                break
            self._held.add(shipment)
            orphan.waiting.add(shipment.serial)
        if orphan.exhausted and orphan.folder.done():
            orphan.folder.close(remove=True)
            del self._orphans[path]

    def _shipments(self, folder: Folder, pools: list[str]) -> Iterator[Shipment]:
        """What its pools have not acknowledged; pools that are no more are passed over."""
        for place, record in folder.records():
            wanted = {p: int(s) for p, s in record["seqs"].items() if s > folder.acks.get(p, 0)}
            for pool in [pool for pool in wanted if pool not in pools]:
                self._held.count("dropped_rows", int(record["rows"]))
                folder.ack(pool, wanted.pop(pool))
            if wanted:
                yield Shipment(
                    producer=folder.path.name,
                    low=float(record["low"]),
                    rows=int(record["rows"]),
                    batch=None,
                    seqs=wanted,
                    model_version=str(record["version"]),
                    load=place.batch,
                    settled=self._acker(folder),
                )

    def _acker(self, folder: Folder) -> _Acker:
        return _Acker(folder, self)

    def _stop(self, error: Exception) -> None:
        self._held.count("spool_errors")
        self._complaints.warn("spool stopped", f"{self.root}: rows are held in memory only: {error}")


@dataclass(frozen=True)
class _Acker:
    """Records a pool's progress; what cannot be recorded is sent again by an adopter, and suppressed there."""

    folder: Folder
    spool: Spool

    def __call__(self, pool: str, seq: int) -> None:
        try:
            self.folder.ack(pool, seq)
        except OSError as error:
            self.spool._stop(error)
