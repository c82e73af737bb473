"""Ending a Ray of one's own ends all of its processes, and no other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette_rayserve.local import end_processes_of

SLEEP = "import time; time.sleep(60)"
# a session leader that leaves a child behind, as `ray start` does when it is killed; the child knows no folder
LEADER = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid)"

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True) as process:
        yield process
        process.kill()


def ended(pid: int) -> bool:
    """True for zombies too."""
    try:
        return (Path(f"/proc/{pid}/stat")).read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_ended(pid: int) -> bool:
    deadline = time.monotonic() + 5.0
    while not ended(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return ended(pid)


def test_orphan_of_the_session_is_ended(bystander: subprocess.Popen[bytes], tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEADER], start_new_session=True, stdout=subprocess.PIPE, text=True
    ) as leader:
        assert leader.stdout is not None
        orphan = int(leader.stdout.readline())
        leader.wait()
        end_processes_of(tmp_path)
        assert not ended(orphan)
        end_processes_of(tmp_path, leader.pid)
        assert wait_ended(orphan)
    assert bystander.poll() is None


@pytest.mark.parametrize("where", ["command", "environment"])
def test_what_names_the_folder_is_ended(bystander: subprocess.Popen[bytes], tmp_path: Path, where: str) -> None:
    arguments = [str(tmp_path)] if where == "command" else []
    environment = {"FOLDER": str(tmp_path)} if where == "environment" else {}
    with subprocess.Popen([sys.executable, "-c", SLEEP, *arguments], env=environment, start_new_session=True) as mine:
        while str(tmp_path).encode() not in b"".join(
            Path(f"/proc/{mine.pid}/{name}").read_bytes() for name in ("cmdline", "environ")
        ):
            time.sleep(0.01)  # it is not the program yet
        end_processes_of(tmp_path)
        assert mine.wait(5.0) < 0
    assert bystander.poll() is None
