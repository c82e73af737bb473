"""The socket between the supervisor and a process of its: settings go down, "ready" comes up, and its end is seen by
whoever is left when the other has gone, however it went."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GRACE = 25  # seconds that requests under way may take at shutdown
DRAIN = 5.0  # seconds for a tap to ship what it holds then
READY, STOP = b"ready\n", b"stop\n"
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a process that died is started again
STEADY = 60.0  # seconds of life after which a process has not died at once


class Link:
    """The process's side."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)  # what the model starts does not keep it open
        self._lines = self._socket.makefile("rb")

    def settings(self) -> dict[str, Any]:
        """What the supervisor says first."""
        found: dict[str, Any] = json.loads(self._lines.readline())
        return found

    def ready(self) -> None:
        """Tell that this process serves; a supervisor that has gone is met in `watch`."""
        try:
            self._socket.sendall(READY)
        except OSError:
            return

    def watch(self, ended: Callable[[bool], None]) -> None:
        """Call `ended` once, in a thread: with True when the supervisor says stop, False when it has gone."""

        def wait() -> None:
            try:
                line = self._lines.readline()
            except OSError:
                line = b""
            ended(line == STOP)

        threading.Thread(target=wait, name="vedette-link", daemon=True).start()


@dataclass(eq=False)
class Child:
    """The supervisor's side: a process that is started again, later each time, when it dies.

    module: run as `python -m`, with the link's descriptor and those of `sockets` as arguments.
    """

    name: str
    module: str
    settings: Mapping[str, Any]
    sockets: Sequence[socket.socket] = ()
    ready: bool = False
    deaths: int = 0
    process: subprocess.Popen[bytes] | None = None
    _link: socket.socket | None = None
    _began: float = 0.0
    _again: float = field(default=0.0)

    def start(self) -> None:
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), *(sock.fileno() for sock in self.sockets)]
        command = [sys.executable, "-m", self.module, *map(str, descriptors)]
        self.process = subprocess.Popen(command, pass_fds=descriptors, stdin=subprocess.DEVNULL)
        theirs.close()
        ours.sendall(json.dumps(dict(self.settings)).encode() + b"\n")
        ours.setblocking(False)
        self._link, self._began, self.ready = ours, time.monotonic(), False

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def look(self) -> int | None:
        """Notice readiness and death; starts it again when it is time. The exit code of one that has just died."""
        if self.process is None:
            if time.monotonic() >= self._again:
                self.start()
            return None
        self._hear()
        code = self.process.poll()
        if code is not None:
            self._bury()
        return code

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def stop(self) -> None:
        """Say stop over the link."""
        if self._link is not None:
            try:
                self._link.sendall(STOP)
            except OSError:
                return  # it has gone already

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _hear(self) -> None:
        if self._link is None or self.ready:
            return
        try:
            self.ready = self._link.recv(len(READY)) == READY
        except BlockingIOError:
            return
        except OSError:
            return  # it dies; `poll` tells

    def _bury(self) -> None:
        self.close()
        self.deaths = 1 if time.monotonic() - self._began > STEADY else self.deaths + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (self.deaths - 1))
        self.process, self._again = None, time.monotonic() + pause
