"""Fenced blocks of the README and the docs, and how each is run.

An HTML comment on the line before a block says what becomes of it:

    file: NAME    the block is the file NAME in the page's folder
    run           Python: a program of its own; console: commands, whose output holds the lines shown
    and then      Python that goes on where the block before it ended
    check         YAML that is laid on the page's base.yaml and loaded
    shown: WHY    not run, for a reason
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MARKED = ("python", "yaml", "console")
SERVED = "http://127.0.0.1:8200"
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=fence)\s*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block. verb and argument: of its mark, "" where it has none."""

    language: str
    text: str
    line: int
    verb: str
    argument: str


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [_block(match, text) for match in _BLOCK.finditer(text)]


def _block(match: re.Match[str], text: str) -> Block:
    verb, _, argument = (match["mark"] or "").partition(": ")
    line = text.count("\n", 0, match.start("fence")) + 1
    return Block(match["language"], match["text"], line, verb, argument)


class PageRun:
    """Runs a page's blocks from top to bottom in a folder, as a reader does who copies them."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.servers: list[subprocess.Popen[str]] = []
        self.address = SERVED
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "COLUMNS": "160", "NO_COLOR": "1"}

    def run(self) -> None:
        try:
            for place, language, verb, argument, text in self._steps():
                self._do(place, language, verb, argument, text)
        finally:
            self._stop()

    def _steps(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Blocks to be done; Python that goes on is one program with what it follows."""
        waiting: list[Block] = []
        for block in [*blocks_of(self.page), None]:
            if block is not None and block.verb == "and then":
                waiting.append(block)
                continue
            if waiting:
                first = waiting[0]
                yield self._place(first), first.language, first.verb, first.argument, "".join(b.text for b in waiting)
            waiting = [] if block is None or block.verb in ("", "shown") else [block]

    def _place(self, block: Block) -> str:
        return f"{self.page.name}:{block.line}"

    def _do(self, place: str, language: str, verb: str, argument: str, text: str) -> None:
        if verb == "file":
            target = self.folder / argument
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        elif verb == "check":
            self._check(place, text)
        elif language == "python":
            self._python(place, text)
        else:
            self._console(place, text)

    def _check(self, place: str, text: str) -> None:
        from vedette.config.loading import load_all

        fragment = self.folder / "fragment.yaml"
        fragment.write_text(text, encoding="utf-8")
        base = self.folder / "base.yaml"
        try:
            load_all([base, fragment] if base.exists() else [fragment], env={"ALERT_URL": "https://example.com/hook"})
        except ValueError as error:
            raise AssertionError(f"{place} does not load: {error}") from error

    def _python(self, place: str, text: str) -> None:
        program = self.folder / "snippet.py"
        program.write_text(text, encoding="utf-8")
        done = self._call([sys.executable, str(program)])
        assert done.returncode == 0, f"{place} fails:\n{done.stderr[-3000:]}"

    def _console(self, place: str, text: str) -> None:
        for command, shown in commands(text):
            command = command.replace(SERVED, self.address)
            if command.startswith("vedette serve"):
                self._serve(place, command)
                continue
            done = self._call(["bash", "-c", command])
            assert done.returncode == 0, f"{place}: {command} fails:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            said = squeezed(done.stdout + done.stderr)
            for line in shown:
                assert squeezed(line) in said, f"{place}: {command} does not say {line!r} but:\n{said[-3000:]}"

    def _call(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120
        )

    def _serve(self, place: str, command: str) -> None:
        """The server with a port of its own; it ends with the page."""
        words = [*command.rstrip("& ").split(), "--port", "0"]
        log = (self.folder / "server.log").open("w")
        server = subprocess.Popen(
            words, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()
        self.servers.append(server)
        assert server.stdout is not None
        first = server.stdout.readline()
        found = re.search(r"http://[\d.]+:\d+", first)
        assert found, f"{place}: {command} does not come up:\n{(self.folder / 'server.log').read_text()}"
        self.address = found[0]

    def _stop(self) -> None:
        for server in self.servers:
            server.terminate()
        deadline = time.monotonic() + 20
        for server in self.servers:
            server.communicate(timeout=max(1.0, deadline - time.monotonic()))


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """(command, the lines of output shown below it); `...` stands for lines that are left out."""
    command, shown = "", []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command.partition("   # ")[0], shown
            command, shown = line[2:], []
        elif command.endswith("\\"):
            command = command[:-1] + line.strip()
        elif line.strip() not in ("", "..."):
            shown.append(line)
    if command:
        yield command.partition("   # ")[0], shown


def squeezed(text: str) -> str:
    """Without the widths of tables and screens."""
    return re.sub(r"[\s│]+", " ", text).strip()
