"""Plugins made on the spot: modules, and packages with an entry point on a path of their own."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path
from types import ModuleType

import pytest

MakeModule = Callable[[str], ModuleType]
MakePackage = Callable[..., EntryPoint]


@pytest.fixture
def make_module() -> MakeModule:
    def make(source: str) -> ModuleType:
        module = ModuleType("made_up_plugin")
        exec(compile(textwrap.dedent(source), "made_up_plugin.py", "exec"), vars(module))
        return module

    return make


@pytest.fixture
def make_package(tmp_path: Path) -> Iterator[MakePackage]:
    """Write a package with metadata into a folder on sys.path; the answer is its entry point."""
    before = set(sys.modules)
    sys.path.insert(0, str(tmp_path))

    def make(package: str, source: str, *, name: str | None = None, distribution: str | None = None) -> EntryPoint:
        (tmp_path / f"{package}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{(distribution or package).replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution or package}\nVersion: 1.2\nProvides-Extra: fast\n"
        )
        (info / "entry_points.txt").write_text(f"[vedette.v1]\n{name or package} = {package}\n")
        (point,) = PathDistribution(info).entry_points
        return point

    yield make
    sys.path.remove(str(tmp_path))
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]
