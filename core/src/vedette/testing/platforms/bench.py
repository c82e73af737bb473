"""The bench for one platform: the model plain and watched, and a memory of all that was sent to the watched one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

from vedette.testing.lab import require
from vedette.testing.platforms import configuration
from vedette.testing.platforms.comparing import Results
from vedette.testing.platforms.monitors import PATIENCE, Monitors, wait_for
from vedette.testing.platforms.platform import Platform, Reply, Request, Row, Setting, Site, Stamp
from vedette.testing.platforms.recording import Recording

THREADS = 4


class Bench:
    """Sites are started when a check first asks for them, and shared by the checks. Leaving `with` closes them."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.folder = folder
        self._open: list[Site | Client | Watched] = []

    @cached_property
    def plain(self) -> Client:
        """A client of the model that nobody watches."""
        folder = self.folder / "plain"
        folder.mkdir(parents=True, exist_ok=True)
        site = self.platform.serve(Setting(folder, None, _name()))
        client = Client(self.platform, lambda: site.url)
        self._open += [client, site]
        return client

    @property
    def watched(self) -> Watched:
        """The watched model; its recording was sent before anything else."""
        if not self.opened.recording.start:
            record_together([self])
        return self.opened

    @cached_property
    def opened(self) -> Watched:
        """The watched model before anything was sent to it."""
        watched = Watched(self.platform, configuration.write(self.platform, _name(), self.folder / "watched"))
        self._open.append(watched)
        return watched

    def close(self) -> None:
        while self._open:
            self._open.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def record_together(benches: Sequence[Bench]) -> None:
    """Send the same rows at the same times to sites that have got nothing so far: results must be the same, too."""
    recording = Recording()
    watched = [bench.opened for bench in benches]
    recording.begin(time.time())
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda one: one.record(recording), watched))


class Client:
    """Asks a model for predictions. url: where it is now."""

    def __init__(self, platform: Platform, url: Callable[[], str]) -> None:
        self.platform = platform
        self.url = url
        self.http = httpx.Client(timeout=PATIENCE, trust_env=False)

    def post(self, request: Request, headers: Mapping[str, str] | None = None) -> Reply:
        """One request, as it is."""
        reply = self.http.post(self.url(), content=request.body, headers={**request.headers, **(headers or {})})
        return Reply(reply.status_code, reply.content, {k.lower(): v for k, v in reply.headers.items()})

    def predict(self, rows: Sequence[Row], stamp: Stamp, headers: Mapping[str, str] | None = None) -> Reply:
        return self.post(self.platform.request(rows, stamp), headers)

    def close(self) -> None:
        self.http.close()


@dataclass
class Sent:
    """What the kit knows of the watched site. rows: that must be counted; a check takes off what it has made lost."""

    rows: int = 0
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, rows: int) -> None:
        with self.lock:
            self.rows += rows
            self.requests += 1


class Watched:
    """A watched site, its monitors' API, and the account of what was sent."""

    def __init__(self, platform: Platform, setting: Setting) -> None:
        self.platform = platform
        self.setting = setting
        self.sent = Sent()
        self.recording = Recording()
        self.recorded: Results | None = None  # by `comparing`, once
        self.client = Client(platform, lambda: self.site.url)
        self._site: Site | None = platform.serve(setting)

    @property
    def site(self) -> Site:
        """The running site; served again, on the same store, where a check has closed it."""
        if self._site is None:
            self._site = self.platform.serve(self.setting)
        return self._site

    @property
    def monitors(self) -> Monitors:
        return self.monitors_of(self.site)

    def monitors_of(self, site: Site) -> Monitors:
        require(site.api is not None, f"{self.platform.name}: a watched site has no `api`")
        return Monitors(str(site.api), self.client.http)

    def record(self, recording: Recording) -> None:
        """Send a recording: known rows at known times, which results are compared on; all other rows come later."""
        self.recording = recording
        for name, rows, stamp in recording.requests():
            self.predict(rows, name=name, stamp=stamp)
        self.monitors.feedback(self.recording.feedback())
        self.settle()
        late = time.time() - self.recording.start
        require(late < 0, f"the recording arrived {late:.1f} s late on this machine; a longer LEAD is needed")

    def stamp(self, region: str = "north") -> Stamp:
        """Now, or after the recording's last time."""
        return Stamp(max(time.time(), self.recording.end) + 1.0, region)

    def predict(
        self, rows: Sequence[Row], *, name: str | None = None, stamp: Stamp | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """Ask for rows that must be counted; the answer must be a success. name: the request id, if there is one."""
        given = {"x-request-id": name} if name is not None else {}
        reply = self.client.predict(rows, stamp or self.stamp(), {**given, **(headers or {})})
        require(reply.status == 200, f"a good request is answered with {reply.status}: {reply.body[:300]!r}")
        self.sent.add(len(rows))
        return reply

    def predict_many(self, requests: Sequence[Sequence[Row]]) -> list[Reply]:
        """The same from several threads, in the order of the requests."""
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(self.predict, requests))

    def counted(self, monitor: str = "quality") -> int:
        return int(self.monitors.monitor(monitor)["rows"])

    def settle(self, monitors: Monitors | None = None) -> None:
        """Wait until every row that was sent is counted; fails where one is counted twice, or not at all."""
        asked = monitors or self.monitors

        def counted() -> int:
            return int(asked.monitor("quality")["rows"])

        def look() -> bool:
            return counted() >= self.sent.rows and asked.counters()["logged_batches"] == 0

        wait_for(look, lambda: f"{self.sent.rows} rows sent, {counted()} counted; {asked.counters()}")
        require(counted() == self.sent.rows, f"{self.sent.rows} rows sent, {counted()} counted")

    def mood(self, monitor: str, mood: str) -> None:
        """Tell a moody monitor how to behave from now on."""
        (self.setting.folder / monitor).write_text(mood)

    def stop(self) -> None:
        """Close the site in good order."""
        if self._site is not None:
            self._site.close()
            self._site = None

    def close(self) -> None:
        self.stop()
        self.client.close()


def _name() -> str:
    return f"kit_{uuid4().hex[:8]}"


__all__ = ["Bench", "Client", "Sent", "Watched", "wait_for"]
