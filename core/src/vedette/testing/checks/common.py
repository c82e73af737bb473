"""What every component keeps: options, imports, threads, random numbers."""

from __future__ import annotations

import inspect
import json
import os
import random
import subprocess
import sys
import threading
from functools import cache
from typing import Any

import numpy as np

from vedette.plugins.options import options_of
from vedette.testing.checks._table import check
from vedette.testing.data import spoil
from vedette.testing.lab import CheckSkipped, Lab, json_text, require, same
from vedette_specs import BaseComponent, Sink

HEAVY = ("ray", "mlflow", "bentoml", "torch", "tensorflow", "jax", "transformers", "matplotlib")
_PROBE = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps([name for name in sys.argv[2:] if name in sys.modules]))
"""


@check(BaseComponent)
def options_are_annotated(lab: Lab) -> None:
    """Every option of `__init__` has a type, so that YAML can be validated, and is kept under its own name."""
    component = lab.subject.component
    for option in options_of(type(component)):
        require(
            option.annotation is not inspect.Parameter.empty and _annotated(component, option.name),
            f"option {option.name!r} has no annotation",
        )
        require(hasattr(component, option.name), f"option {option.name!r} is not stored as an attribute of that name")


def _annotated(component: BaseComponent, option: str) -> bool:
    return inspect.signature(type(component).__init__).parameters[option].annotation is not inspect.Parameter.empty


@check(BaseComponent)
def clone_keeps_options(lab: Lab) -> None:
    """`clone()` has the same options and no fitted state; `set_params(**get_params())` changes nothing."""
    component = lab.subject.component
    options = component.get_params()
    clone = component.clone()
    require(type(clone) is type(component), f"clone is a {type(clone).__name__}")
    require(clone.get_params() == options, f"clone has options {clone.get_params()} instead of {options}")
    require(not clone.is_fitted(), "a clone is not fitted, and `__init__` sets no attribute that ends in '_'")
    clone.set_params(**options)
    require(clone.get_params() == options, f"set_params(**get_params()) gives {clone.get_params()}")
    require(bool(repr(clone)), "repr is empty")


@check(BaseComponent)
def import_is_light(lab: Lab) -> None:
    """Importing the component's module imports no serving platform or deep-learning framework."""
    module = type(lab.subject.component).__module__
    if module == "__main__" or "<" in module:
        raise CheckSkipped(f"{module} is not a module that can be imported anew")
    found = _heavy(module)
    if found is None:
        raise CheckSkipped(f"{module} is not on the path of a new process")
    require(not found, f"importing {module} imports {', '.join(found)}; import it where it is used")


@cache
def _heavy(module: str) -> list[str] | None:
    command = [sys.executable, "-c", _PROBE, module, *HEAVY]
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": path}
    )
    if "ModuleNotFoundError" in done.stderr and f"'{module.split('.')[0]}'" in done.stderr:
        return None
    require(done.returncode == 0, f"importing {module} fails: {done.stderr[-500:]}")
    found: list[str] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


@check(BaseComponent)
def leaves_no_thread(lab: Lab) -> None:
    """No thread outlives its use."""
    before = set(threading.enumerate())
    component = lab.fit()
    lab.use(component, lab.traffic(100))
    if isinstance(component, Sink):
        component.close()
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    require(not left, f"threads are left: {left}")


@check(BaseComponent, unless=(Sink,))
def answers_do_not_depend_on_global_randomness(lab: Lab) -> None:
    """Fit and answer twice under different global seeds: the same answer, and the global generators are untouched."""
    kept = _global_state()
    try:
        answers = [_answer_under_seed(lab, seed) for seed in (1, 2)]
    finally:
        np.random.set_state(kept[0])  # noqa: NPY002
        random.setstate(kept[1])
    same(answers[0], answers[1], lab.tolerance, "the answer depends on the global random state")


def _answer_under_seed(lab: Lab, seed: int) -> object:
    np.random.seed(seed)  # noqa: NPY002  the global generator is what is under test
    random.seed(seed)
    before = repr(_global_state())
    answer = lab.use(lab.fit(), lab.traffic(300))
    require(before == repr(_global_state()), "the global generator was used; take random_state, ctx.rng or tick.rng")
    return answer


def _global_state() -> tuple[Any, Any]:
    state: Any = np.random.get_state()  # noqa: NPY002
    return (state[0], state[1].tolist(), *state[2:]), random.getstate()


@check(BaseComponent, unless=(Sink,))
def data_is_not_changed(lab: Lab) -> None:
    """Neither `fit` nor use changes the rows given."""
    reference, traffic = lab.reference.to_bytes(), lab.traffic(100)
    before = traffic.to_bytes()
    component = lab.fit()
    require(lab.reference.to_bytes() == reference, "fit changes the reference")
    lab.use(component, traffic)
    require(traffic.to_bytes() == before, "the batch is changed")


@check(BaseComponent, unless=(Sink,))
def takes_what_production_sends(lab: Lab) -> None:
    """NaN, infinities, unseen and missing categories, rows without any value: an answer, in JSON, and no exception."""
    component = lab.ready()
    for seed in (1, 2):
        rows = spoil(lab.traffic(200, seed=seed), seed)
        answer = lab.use(component, rows)
        if isinstance(answer, list) or (isinstance(answer, dict) and "values" in answer):
            json_text(answer)


@check(BaseComponent, unless=(Sink,))
def takes_no_rows(lab: Lab) -> None:
    """An empty batch is answered, not an error."""
    answer = lab.use(lab.ready(), lab.traffic(10).take(slice(0, 0)))
    if isinstance(answer, dict) and "values" in answer:
        json_text(answer)
