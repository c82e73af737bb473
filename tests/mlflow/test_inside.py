"""What MLflow does not promise, and is relied on all the same: where this fails, MLflow has changed."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from tests.mlflow.tracking import mlflow

import vedette_mlflow
from vedette_mlflow import inside

WHICH = f"mlflow {mlflow.__version__}"
PARAMETERS = {
    "init": ["model"],
    "load_model_with_mlflow_config": ["model_uri"],
    "invocations": ["data", "content_type", "model", "input_schema"],
}


@pytest.mark.parametrize(("module", "name"), inside.NAMES)
def test_a_name_is_there(module: str, name: str) -> None:
    found = inside._name(module, name)
    if name in PARAMETERS:
        assert list(inspect.signature(found).parameters) == PARAMETERS[name], WHICH
    if name.endswith("Artifact"):
        assert list(inspect.signature(found._load).parameters) == ["self", "local_artifact_path"], WHICH


def test_shapes_are_as_known() -> None:
    scoring = import_module(inside.SCORING)
    assert scoring.InvocationsResponse._fields == ("response", "status", "mimetype"), WHICH
    assert scoring._SERVER_MODEL_PATH == "__pyfunc_model_path__", WHICH
    timeout = mlflow.environment_variables.MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT
    assert (timeout.name, timeout.default) == ("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", 60), WHICH


@pytest.mark.parametrize("gone", ["a name", "a module"])
def test_a_version_without_a_name_is_named(gone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def imported(module: str) -> ModuleType:
        if gone == "a module":
            raise ModuleNotFoundError(f"No module named {module!r}")
        return ModuleType(module)

    monkeypatch.setattr(inside, "import_module", imported)
    with pytest.raises(inside.UnsupportedMLflow, match=rf"^{re.escape(WHICH)} is not supported: .*scoring_server"):
        inside.as_served("models:/any")


def test_no_other_module_touches_them() -> None:
    modules = [module for module, _ in inside.NAMES]
    private = re.compile(r"mlflow(\.\w+)*\._\w|import _\w|" + "|".join(map(re.escape, modules)))
    folder = Path(vedette_mlflow.__file__).parent
    sources = {path.name: path.read_text() for path in folder.glob("*.py")}
    assert private.search(sources.pop("inside.py"))
    assert {name: found[0] for name, text in sources.items() if (found := private.search(text))} == {}
    assert not any("scoring_server" in text for text in sources.values())
