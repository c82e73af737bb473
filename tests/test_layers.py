"""Who may import whom, read from the source: the layers of the architecture."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPECS, CORE, PLUGINS = ROOT / "specs/src", ROOT / "core/src", ROOT / "plugins"
PLATFORMS = {"rayserve": "ray", "bentoml": "bentoml", "mlflow": "mlflow"}
OURS = ("vedette", *(f"vedette_{name}" for name in PLATFORMS))

# folder of core -> folders of core that it may not import
FORBIDDEN = {
    "vedette.components": ("vedette.engine", "vedette.store", "vedette.http", "vedette.cli", "vedette.config"),
    "vedette.plugins": (
        "vedette.engine", "vedette.store", "vedette.http", "vedette.cli", "vedette.config", "vedette.testing",
    ),
    "vedette.config": ("vedette.engine", "vedette.store", "vedette.http", "vedette.cli", "vedette.testing"),
    "vedette.store": ("vedette.engine", "vedette.http", "vedette.cli", "vedette.testing"),
    "vedette.engine": ("vedette.http", "vedette.cli", "vedette.testing"),
    "vedette.http": ("vedette.cli", "vedette.testing"),
    "vedette.testing": ("vedette.http", "vedette.cli", "vedette.store"),
}  # fmt: skip

# Modules of a platform's plugin that are a bridge to another platform, and what they may import besides. They are
# reached by their own entry point only, so that the plugin works where the other platform is not installed.
BRIDGES = {
    ("mlflow", "vedette_mlflow.deployments"): "rayserve",  # `mlflow deployments create -t vedette-rayserve`
    ("mlflow", "vedette_mlflow.rayserve_config"): "rayserve",
    ("mlflow", "vedette_mlflow.rayserve_app"): "rayserve",  # what Ray Serve then imports on the cluster
}


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def dotted(path: Path, source: Path) -> str:
    return ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path, package: str = "") -> Iterator[tuple[str, int]]:
    """(module, line) of every import, also inside functions; relative ones resolved against `package`."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], base]).strip(".")
            yield base, node.lineno
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def violations(folder: Path, source: Path, forbidden: tuple[str, ...]) -> list[str]:
    found = []
    for path in modules(folder):
        name = dotted(path, source)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for imported, line in imports(path, package):
            if any(within(imported, other) for other in forbidden):
                found.append(f"{path.relative_to(ROOT)}:{line} imports {imported}")
    return sorted(set(found))


def test_specs_import_numpy_pluggy_and_the_standard_library_only() -> None:
    allowed = {"vedette_specs", "numpy", "pluggy", *sys.stdlib_module_names}
    found = [
        f"{path.name}:{line} imports {name}"
        for path in modules(SPECS)
        for name, line in imports(path, "vedette_specs")
        if name.split(".")[0] not in allowed
    ]
    assert found == []


def test_core_imports_no_platform_and_no_platform_plugin() -> None:
    forbidden = (*PLATFORMS.values(), *(f"vedette_{name}" for name in PLATFORMS))
    assert violations(CORE, CORE, forbidden) == []


@pytest.mark.parametrize("folder", sorted(FORBIDDEN))
def test_folders_of_core_keep_their_order(folder: str) -> None:
    path = CORE / Path(*folder.split("."))
    assert path.is_dir()
    assert violations(path, CORE, FORBIDDEN[folder]) == []


@pytest.mark.parametrize("folder", sorted(path.name for path in PLUGINS.iterdir() if path.is_dir()))
def test_a_platform_plugin_imports_its_own_platform_only(folder: str) -> None:
    source = PLUGINS / folder / "src"
    others = {name: platform for name, platform in PLATFORMS.items() if name != folder}
    found = violations(source, source, (*others.values(), *(f"vedette_{name}" for name in others)))
    assert [line for line in found if not bridged(folder, source, line)] == []


def bridged(folder: str, source: Path, violation: str) -> bool:
    file, _, imported = violation.partition(" imports ")
    other = BRIDGES.get((folder, dotted(ROOT / file.partition(":")[0], source)))
    return other is not None and any(within(imported, name) for name in (PLATFORMS[other], f"vedette_{other}"))


@pytest.mark.parametrize("place", sorted(BRIDGES))
def test_nothing_but_a_bridge_imports_a_bridge(place: tuple[str, str]) -> None:
    folder, bridge = place
    source = PLUGINS / folder / "src"
    assert (source / Path(*bridge.split("."))).with_suffix(".py").is_file()
    bridges = [name for plugin, name in BRIDGES if plugin == folder]
    found = [
        line
        for line in violations(source, source, (bridge,))
        if not line.startswith(
            tuple(str((source / Path(*name.split("."))).with_suffix(".py").relative_to(ROOT)) for name in bridges)
        )
    ]
    assert found == []


def test_no_package_shadows_a_platform() -> None:
    for folder in PLUGINS.iterdir():
        assert not (folder / "__init__.py").exists(), f"{folder.name}/__init__.py would shadow the platform's package"


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for source in (SPECS, CORE, PLUGINS)
        for path in modules(source)
        if (lines := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


@pytest.mark.parametrize("call", ["pickle", "marshal", "shelve", "dill", "cloudpickle"])
def test_nothing_of_ours_unpickles(call: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for source in (SPECS, CORE)
        for path in modules(source)
        for name, line in imports(path)
        if name.split(".")[0] == call
    ]
    assert found == []


def test_nothing_of_ours_evaluates_code() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} calls {node.func.id}"
        for source in (SPECS, CORE, PLUGINS)
        for path in modules(source)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    ]
    assert found == []


def test_the_reader_of_imports_sees_all_forms(tmp_path: Path) -> None:
    source = tmp_path / "module.py"
    source.write_text("import a.b\nfrom c import d\nfrom . import e\nfrom ..f import g\ndef late():\n    import ray\n")
    found = {name for name, _ in imports(source, "top.inner")}
    assert {"a.b", "c.d", "top.inner.e", "top.f.g", "ray"} <= found
