"""Opening the store: SQLite for one machine, PostgreSQL for a cluster."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Insert, Table, bindparam, create_engine, event, exc, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import make_url
from sqlalchemy.pool import StaticPool

from vedette.config.store_url import store_problem, without_password
from vedette.store.forking import GATE
from vedette.store.migrations import migrate

BUSY_MS = 20_000
WAL_RETRY = 0.01  # seconds
_TRANSIENT = (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError, OSError)
PG_OPTIONS = "-c lock_timeout=15s -c idle_in_transaction_session_timeout=60s"


class StoreError(RuntimeError):
    """The store cannot be opened, or holds what this version cannot read."""


class BadStoreURL(StoreError, ValueError):
    """No store can be opened with such a URL."""


class Store:
    """The SQL database: the only point of coordination between processes.

    url: "sqlite:///file.db" (one machine, local disk), "sqlite://" (memory, one process) or
    "postgresql://user@host/database" (psycopg). Raises StoreError naming the URL without its password.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # a database in memory has one connection, so its transactions take turns
        self._turn: AbstractContextManager[Any] = threading.RLock() if _in_memory(url) else nullcontext()
        try:
            with self.write() as connection:
                migrate(connection)
        except Exception as error:
            self.engine.dispose()
            raise StoreError(f"store {self.shown_url}: {error}") from error

    @property
    def shown_url(self) -> str:
        return make_url(self.url).render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction; on SQLite it takes the write lock at once, so that reads in it stay true."""
        with self._turn, self._gate(), self.engine.connect() as connection, connection.begin():
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._turn, self._gate(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection
            connection.rollback()

    def now(self, connection: Connection | None = None) -> float:
        """The database's time, seconds since the epoch: the same clock for every replica."""
        if self.is_sqlite:
            return time.time()
        if connection is None:
            with self.read() as fresh:
                return self.now(fresh)
        return float(connection.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)

    def close(self) -> None:
        self.engine.dispose()

    def _gate(self) -> AbstractContextManager[None]:
        return GATE.passing() if self.is_sqlite else nullcontext()


def upsert(
    connection: Connection, table: Table, values: Mapping[str, Any], keys: tuple[str, ...], update: Mapping[str, Any],
    raised: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Insert a row; on the one that has its keys, set `update` and raise the columns `raised` by their values."""
    statement = _upsert(connection.dialect.name, table, tuple(values), keys, tuple(update), raised)
    given = {f"value_{name}": value for name, value in values.items()}
    connection.execute(statement, given | {f"update_{name}": value for name, value in update.items()})


@cache
def _upsert(
    dialect: str, table: Table, values: tuple[str, ...], keys: tuple[str, ...], update: tuple[str, ...],
    raised: tuple[str, ...],
) -> Insert:  # fmt: skip
    """Made once: making a statement takes longer than running it."""
    build = sqlite_dialect.insert if dialect == "sqlite" else postgresql.insert
    statement = build(table).values({name: bindparam(f"value_{name}", type_=table.c[name].type) for name in values})
    changes: dict[str, Any] = {name: bindparam(f"update_{name}", type_=table.c[name].type) for name in update}
    changes |= {name: table.c[name] + statement.excluded[name] for name in raised}
    if not changes:
        return statement.on_conflict_do_nothing(index_elements=list(keys))
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changes)


def transient(error: BaseException | None) -> bool:
    """Whether it may go well next time: locks, connections and timeouts, not what the store was told to write."""
    while error is not None:
        if isinstance(error, _TRANSIENT):
            return True
        error = error.__cause__
    return False


def check_url(url: str) -> None:
    """BadStoreURL, without its password, where no store can be opened with it."""
    if problem := store_problem(url):
        raise BadStoreURL(f"store: {without_password(url)!r} {problem}")


def _engine(url: str) -> Engine:
    check_url(url)
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, pool_pre_ping=True, connect_args={"options": PG_OPTIONS, "connect_timeout": 10})
    options: dict[str, Any] = {"poolclass": StaticPool} if _in_memory(url) else {}
    engine = create_engine(parsed, connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000}, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _in_memory(url: str) -> bool:
    parsed = make_url(url)
    return parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:")


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # the driver's own implicit BEGIN would come too late for BEGIN IMMEDIATE
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_MS}", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    _use_wal(cursor)
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Of those that open a new file at once, SQLite refuses all but one, without waiting for busy_timeout."""
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(WAL_RETRY)
