"""`vedette plugins`."""

from __future__ import annotations

import json

from vedette.plugins import get_registry

BROKEN = """
from vedette_specs import Component, hookimpl

@hookimpl
def vedette_register_metrics():
    yield Component("metric", "gini", "acme_broken:Gini", "inequality of [values]")
    yield Component("metric", "fast_gini", "acme_broken_parts:Gini", "the same, faster")
"""


def test_everything_installed_works(vedette) -> None:
    done = vedette("plugins")
    assert done.returncode == 0, done.stdout
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["name", "kind", "package", "version", "state", "summary"]
    for registered in get_registry().components:
        assert any(line.split()[:2] == [registered.full_name, registered.kind] for line in lines)


def test_json_has_every_component(vedette) -> None:
    done = vedette("plugins", "--json")
    document = json.loads(done.stdout)
    assert document["failures"] == []
    (ks,) = [entry for entry in document["components"] if entry["name"] == "ks"]
    assert ks == {
        "name": "ks",
        "kind": "drift",
        "package": "vedette",
        "version": "0.1.0",
        "summary": "Kolmogorov-Smirnov test per numeric column",
        "target": "vedette.components.drift.ks:KS",
        "state": "ok",
    }


def test_a_broken_component_makes_exit_code_1(vedette, plugin_folder) -> None:
    folder = plugin_folder("acme_broken", BROKEN)
    (folder / "acme_broken_parts.py").write_text("import no_such_library\n")
    done = vedette("plugins", path=folder)
    assert done.returncode == 1
    assert "broken: metric 'gini': acme_broken has no 'Gini'" in done.stdout
    assert "missing: metric 'fast_gini' needs the package 'no_such_library': pip install" in done.stdout
    assert "inequality of [values]" in done.stdout


def test_a_missing_library_alone_is_not_broken(vedette, plugin_folder) -> None:
    source = BROKEN.replace('    yield Component("metric", "gini", "acme_broken:Gini", "inequality of [values]")\n', "")
    folder = plugin_folder("acme_broken", source)
    (folder / "acme_broken_parts.py").write_text("import no_such_library\n")
    assert vedette("plugins", path=folder).returncode == 0


def test_no_load_imports_nothing(vedette, plugin_folder) -> None:
    folder = plugin_folder("acme_broken", BROKEN)
    done = vedette("plugins", "--no-load", "--json", path=folder)
    assert done.returncode == 0
    assert {entry["state"] for entry in json.loads(done.stdout)["components"]} == {"not loaded"}


def test_a_broken_plugin_is_told_with_its_traceback(vedette, plugin_folder) -> None:
    folder = plugin_folder("acme_broken", "raise RuntimeError('no licence [key]')\n")
    done = vedette("plugins", "--no-load", path=folder)
    assert done.returncode == 1
    assert "broken plugin acme_broken (acme_broken 0.3), in load:" in done.stdout
    assert "RuntimeError: no licence [key]" in done.stdout
    (failure,) = json.loads(vedette("plugins", "--no-load", "--json", path=folder).stdout)["failures"]
    assert failure["error"] == "RuntimeError: no licence [key]"
    assert failure["distribution"] == "acme_broken"
