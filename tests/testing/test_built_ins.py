"""Every built-in component passes the kit, as a stranger's would have to."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from vedette.plugins import get_registry
from vedette.testing import CHECKS, Subject, checks_for, parametrize_components, run
from vedette.testing.checks.common import HEAVY

REGISTRY = get_registry()
BUILT_IN = [r for r in REGISTRY.components if r.plugin == "vedette"]
OPTIONS = {  # of what has no default
    "cost": {"costs": {"<=50K": {">50K": 3.0}, ">50K": {"<=50K": 20.0}}},
    "expression": {
        "formula": 'sum(balance * (prediction == ">50K" and label == "<=50K")) / count() + max(age) - ratio(hours, age)'
    },
}
NUMBERS = ("dle", "explained_variance", "mae", "mape", "median_error", "mse", "pinball", "r2", "reward", "rmse")
PROBE = """
import importlib, json, os, sys
import numpy, vedette_specs
found = {}
for module in json.loads(sys.argv[1]):  # each in a process of its own, that has imported no other
    read, write = os.pipe()
    if os.fork() == 0:
        importlib.import_module(module)
        os.write(write, json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]).encode())
        os._exit(0)
    os.close(write)
    found[module] = json.loads(os.read(read, 65536) or b"null")
    os.close(read)
    os.wait()
print(json.dumps(found))
"""
SINKS = {"file", "log", "webhook"}  # tests/sinks runs the kit on them, where the other end can be seen


def subjects() -> list[Subject]:
    kinds = [r for r in BUILT_IN if r.name not in SINKS and r.kind != "platform"]
    return [
        Subject(
            REGISTRY.make(r.qualified, kinds=(r.kind,), **OPTIONS.get(r.name, {})),
            example="regression" if r.name in NUMBERS else None,
        )
        for r in kinds
    ]


def checks() -> list[pytest.ParameterSet]:
    """All but `import_is_light`, which starts a process for each component; see below."""
    bound = [one for subject in subjects() for one in checks_for(subject)]
    return [pytest.param(one, id=one.name) for one in bound if one.check.name != "import_is_light"]


@pytest.mark.parametrize("check", checks())
def test_conformance(check) -> None:
    run(check)


def test_imports_are_light() -> None:
    modules = sorted({type(subject.component).__module__ for subject in subjects()})
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE, json.dumps(modules), json.dumps(HEAVY)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert json.loads(done.stdout) == {module: [] for module in modules}


MULTICLASS = [
    Subject(REGISTRY.make(name), example="multiclass")
    for name in (
        "accuracy", "average_precision", "brier", "calibration_error", "cbpe", "confusion_matrix", "f_beta", "kappa",
        "label_shift", "log_loss", "mcc", "pape", "performance_change", "performance_range", "roc_auc", "top_k",
        "kernel_shap", "tabular",
    )
]  # fmt: skip


@parametrize_components(MULTICLASS)
def test_conformance_with_three_classes(check) -> None:
    run(check)


def test_every_check_applies_to_a_built_in() -> None:
    every = [*subjects(), Subject(REGISTRY.make("log")), Subject(REGISTRY.make("file", path="events.jsonl"))]
    applied = {bound.check.name for subject in every for bound in checks_for(subject)}
    assert applied == set(CHECKS)


def test_checks_are_documented() -> None:
    for check in CHECKS.values():
        assert check.run.__doc__, f"{check.name} does not say what it checks"
