"""Failure schedules drawn at random: after any of them the results are those of the rows themselves, each seen once.

Several workers and reducers run in turns in one thread on one store, whose clock the test moves. Each may be killed
before any statement, or after a commit that it never learns of, or be paused while the others go on.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from sqlalchemy import select
from tests.engine.faulty_store import Crash, FaultyStore
from tests.engine.schedules import Key, Producer, Recovery, World, bundle
from tests.engine.traffic import Batch, get_registry, message, rows

from vedette.engine import lifecycle
from vedette.engine.reduce.reducer import Reducer
from vedette.engine.work.core import WorkerCore
from vedette.store import labels
from vedette.store.tables import producers

EXAMPLES = int(os.environ.get("VEDETTE_TEST_EXAMPLES", "40"))


@cache
def _deployed() -> bytes:
    """A store with the bundle deployed, as the bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vedette.db"
        store = FaultyStore(f"sqlite:///{path}")
        lifecycle.deploy(store, bundle())
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        store.close()
        return path.read_bytes()


def _fresh_store(folder: Path) -> FaultyStore:
    path = folder / "vedette.db"
    path.write_bytes(_deployed())
    return FaultyStore(f"sqlite:///{path}")


class Schedule(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = _fresh_store(Path(self.folder.name))
        self.start = self.store.time
        self.workers = [self._worker() for _ in range(3)]
        self.zombies: list[WorkerCore] = []
        self.reducers = [self._reducer() for _ in range(2)]
        self.producers = [Producer(name * 32, self.start) for name in "ab"]
        self.world = World()
        self.kills = 0
        self.late = 0
        self._watermark = -np.inf

    def _worker(self, silent: float = 0.0) -> WorkerCore:
        return WorkerCore(self.store, bundle(), "default", retention=10_000.0, silent=silent)

    def _reducer(self) -> Reducer:
        return Reducer(self.store, bundle(), "default", get_registry())

    def teardown(self) -> None:
        try:
            Recovery(self).check()
        finally:
            self.store.close()
            self.folder.cleanup()

    # -- time and traffic

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 12.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.store.time += seconds

    @rule(
        who=st.integers(0, 1), to=st.integers(0, 2), n=st.integers(1, 6), seed=st.integers(0, 2**16),
        late=st.sampled_from([False] * 6 + [True]), strange=st.sampled_from([False] * 7 + [True]),
    )  # fmt: skip
    def sends(self, who: int, to: int, n: int, seed: int, late: bool, strange: bool) -> None:
        producer = self.producers[who]
        if producer.flying is not None:
            return
        rng = np.random.default_rng(seed)
        now, first = self.store.time, producer.front
        times = first + rng.random(n) * max(now - first, 0.0)
        producer.front = first + rng.random() * max(now - first, 0.0)
        if late:
            times -= rng.random(n) * 30.0
        if strange:
            times[0] = rng.choice([np.nan, now + 400.0, now - 20_000.0])
        producer.seq += 1
        batch = rows(rng, times, self._ids(producer, rng, n))
        producer.flying = (producer.seq, batch, producer.front)
        self.deliver(producer, self.workers[to])

    def _ids(self, producer: Producer, rng: np.random.Generator, n: int) -> list[Key]:
        """Ids that the tap minted, or a client's own for all rows of a request."""
        if rng.random() < 0.5:
            return [(f"own-{producer.name[0]}-{producer.seq}", i) for i in range(n)]
        producer.minted += n
        return [(f"{producer.name}-{producer.minted - n + i + 1}", 0) for i in range(n)]

    def deliver(self, producer: Producer, worker: WorkerCore, absorb: bool = True) -> None:
        """One attempt; the acknowledgement may be lost, or the worker may die."""
        assert producer.flying is not None
        seq, batch, low = producer.flying
        parsed = [worker.parse(message(producer.name, seq, batch, low))]
        received = self.store.time
        before = self._duplicates()
        try:
            _, logged = worker.commit(parsed)
            if absorb:
                worker.absorb(logged)
            producer.flying = None
        finally:
            self._note(producer, seq, batch, received)
            self.world.duplicates += self._duplicates() - before

    def _note(self, producer: Producer, seq: int, batch: Batch, received: float) -> None:
        """Whether this attempt was the one that was accepted: the store knows, if the worker does not."""
        armed, self.store.statements = self.store.statements, None
        with self.store.read() as connection:
            mine = producers.c.producer == producer.name
            stored = connection.scalar(select(producers.c.seq).where(mine)) or 0
        self.store.statements = armed
        if stored >= seq > producer.accepted:
            producer.accepted = seq
            times = np.asarray(batch.times)
            known = (times >= received - 10_000.0) & (times <= received + 300.0)
            taken = np.where(known, times, received)
            self.late += int((taken < self.reached).sum())
            self.world.batches.append(batch.replace(times=taken))

    @property
    def reached(self) -> float:
        """How far any reducer has closed ticks: what comes below it is late, and nothing else is."""
        self._watermark = max([self._watermark, *(reducer.watermark for reducer in self.reducers)])
        return self._watermark

    def _duplicates(self) -> int:
        armed, self.store.statements = self.store.statements, None
        with self.store.read() as connection:
            total = sum(map(int, connection.scalars(select(producers.c.duplicates))))
        self.store.statements = armed
        return total

    @precondition(lambda self: any(p.flying for p in self.producers))
    @rule(to=st.integers(0, 2))
    def retries(self, to: int) -> None:
        for producer in self.producers:
            if producer.flying is not None:
                self.deliver(producer, self.workers[to])

    @rule(who=st.integers(0, 1), to=st.integers(0, 2))
    def acknowledgement_is_lost(self, who: int, to: int) -> None:
        """The last batch comes once more, perhaps to another worker."""
        producer = self.producers[who]
        if producer.flying is None and producer.accepted:
            low = producer.front
            before = self._duplicates()
            assert self.workers[to].apply(message(producer.name, producer.accepted, self._empty(), low)) == [False]
            self.world.duplicates += self._duplicates() - before

    def _empty(self) -> Batch:
        return rows(np.random.default_rng(0), [self.store.time], [("never-counted", 0)])

    @rule(who=st.integers(0, 1), to=st.integers(0, 2))
    def heartbeat(self, who: int, to: int) -> None:
        producer = self.producers[who]
        if producer.flying is None:
            producer.front = self.store.time
            self.workers[to].apply(message(producer.name, 0, None, producer.front))

    # -- workers

    @rule(which=st.integers(0, 2))
    def checkpoints(self, which: int) -> None:
        self.workers[which].checkpoint()

    @rule(which=st.integers(0, 2))
    def adopts(self, which: int) -> None:
        self.workers[which].adopt()

    @rule(which=st.integers(0, 2), paused=st.booleans())
    def dies(self, which: int, paused: bool) -> None:
        """Replaced by the platform; where it was only paused, it will go on some day."""
        if paused:
            self.zombies.append(self.workers[which])
        self.workers[which] = self._worker()

    @precondition(lambda self: self.zombies)
    @rule(step=st.sampled_from(["checkpoint", "adopt", "retire"]))
    def zombie_goes_on(self, step: str) -> None:
        zombie = self.zombies.pop(0)
        getattr(zombie, step)()

    @precondition(lambda self: self.zombies)
    @rule(who=st.integers(0, 1), seed=st.integers(0, 2**16))
    def zombie_takes_a_batch(self, who: int, seed: int) -> None:
        producer = self.producers[who]
        if producer.flying is None:
            producer.seq += 1
            now = self.store.time
            batch = rows(np.random.default_rng(seed), [now], [(f"zombie-{producer.name[0]}-{producer.seq}", 0)])
            producer.flying = (producer.seq, batch, producer.front)
            self.deliver(producer, self.zombies[0])

    @rule(who=st.integers(0, 1), to=st.integers(0, 2), n=st.integers(1, 4), seed=st.integers(0, 2**16))
    def dies_between_commit_and_count(self, who: int, to: int, n: int, seed: int) -> None:
        producer = self.producers[who]
        if producer.flying is None:
            rng = np.random.default_rng(seed)
            producer.seq += 1
            batch = rows(rng, np.full(n, self.store.time), self._ids(producer, rng, n))
            producer.flying = (producer.seq, batch, producer.front)
            self.deliver(producer, self.workers[to], absorb=False)
            self.workers[to] = self._worker()

    @rule(
        which=st.integers(0, 2), step=st.sampled_from(["checkpoint", "adopt", "deliver", "retire"]),
        statement=st.integers(1, 12), after_commit=st.booleans(), who=st.integers(0, 1),
    )  # fmt: skip
    def killed_anywhere(self, which: int, step: str, statement: int, after_commit: bool, who: int) -> None:
        worker = self.workers[which]
        if after_commit:
            self.store.writes = 1 + statement % 3
        else:
            self.store.statements = statement
        try:
            if step == "deliver":
                if self.producers[who].flying is not None:
                    self.deliver(self.producers[who], worker)
            else:
                getattr(worker, step)()
        except Crash:
            self.kills += 1
            self.workers[which] = self._worker()
        finally:
            self.store.heal()

    @rule(
        which=st.integers(0, 2), other=st.integers(0, 2), step=st.sampled_from(["checkpoint", "adopt"]),
        at=st.sampled_from([1, 1, 2, 3]), who=st.integers(0, 1), seed=st.integers(0, 2**16),
    )  # fmt: skip
    def paused_while_adopted(self, which: int, other: int, step: str, at: int, who: int, seed: int) -> None:
        """A worker stands still before one of its writes; another one thinks it dead, and takes its batches over."""

        def meanwhile() -> None:
            self.store.time += 1.0
            self.workers[other].adopt()

        if which != other:
            self.sends(who, which, 2, seed, False, False)
            self.store.interrupt = (at, meanwhile)
            getattr(self.workers[which], step)()
            self.store.heal()

    # -- reducers

    @rule(which=st.integers(0, 1), revise=st.booleans())
    def reduces(self, which: int, revise: bool) -> None:
        self.reducers[which].step(revise=revise)

    @rule(which=st.integers(0, 1), statement=st.integers(1, 60), after_commit=st.booleans())
    def reducer_dies(self, which: int, statement: int, after_commit: bool) -> None:
        if after_commit:
            self.store.writes = 1 + statement % 8
        else:
            self.store.statements = statement
        try:
            self.reducers[which].step()
        except Crash:
            _ = self.reached
            self.reducers[which] = self._reducer()
        finally:
            self.store.heal()

    @rule(which=st.integers(0, 1), at=st.integers(1, 10), gone=st.booleans())
    def lease_is_lost_in_a_pause(self, which: int, at: int, gone: bool) -> None:
        """A reducer stands still before a write, longer than its lease: another takes over and reduces."""

        def meanwhile() -> None:
            self.store.time += 11.0
            self.reducers[1 - which].step()

        self.reducers[which].step()
        self.workers[0].checkpoint()
        self.store.interrupt = (at, meanwhile)
        self.reducers[which].step()
        self.store.heal()
        _ = self.reached
        if gone:
            self.reducers[which] = self._reducer()

    # -- labels

    @rule(seed=st.integers(0, 2**16), future=st.booleans())
    def labels_come(self, seed: int, future: bool) -> None:
        """Of rows that are known, or of rows to come; some for a second time, the same or corrected."""
        rng = np.random.default_rng(seed)
        known = [k for b in self.world.batches for k in zip(list(b.ids), b.rows.tolist(), strict=True)]  # type: ignore[arg-type, union-attr]
        keys = [known[i] for i in rng.integers(0, len(known), 4)] if known else []
        if future:
            producer = self.producers[seed % 2]
            keys += [(f"own-{producer.name[0]}-{producer.seq + 1}", 0), (f"{producer.name}-{producer.minted + 1}", 0)]
        given = [(key, str(rng.choice(["no", "yes"]))) for key in keys]
        now = self.store.time
        with self.store.write() as connection:
            labels.add(connection, "m", [
                {"request": key[0], "row": key[1], "value": value, "annotator": "", "time": now}
                for key, value in given
            ], now)  # fmt: skip
        self.world.given += given


TestSchedule: Callable[..., Any] = Schedule.TestCase
TestSchedule.settings = settings(  # type: ignore[attr-defined]
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    derandomize="VEDETTE_TEST_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    # shrinking a schedule takes minutes: ask for it when there is something to shrink
    phases=[Phase.explicit, Phase.reuse, Phase.generate] + [Phase.shrink] * ("VEDETTE_TEST_SHRINK" in os.environ),
)
