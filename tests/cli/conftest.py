"""Running the installed command, with plugins on a path of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def vedette(tmp_path: Path) -> Run:
    def run(*arguments: str, path: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "COLUMNS": "200", **environment}
        if path is not None:
            variables["PYTHONPATH"] = str(path)
        command = [sys.executable, "-c", "from vedette.cli import main; main()", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, env=variables, timeout=120
        )

    return run


@pytest.fixture
def plugin_folder(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a package with an entry point; the answer is the folder for PYTHONPATH."""

    def write(package: str, source: str) -> Path:
        folder = tmp_path / "site"
        info = folder / f"{package}-0.3.dist-info"
        info.mkdir(parents=True)
        (folder / f"{package}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.3\n")
        (info / "entry_points.txt").write_text(f"[vedette.v1]\n{package} = {package}\n")
        return folder

    return write
