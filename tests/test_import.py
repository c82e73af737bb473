"""`import vedette` and the command line stay cheap."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = [
    "scipy", "sklearn", "pandas", "pyarrow", "sqlalchemy", "datasketches", "skops", "ray", "mlflow", "bentoml",
    "fastapi", "starlette", "uvicorn", "httpx", "prometheus_client", "pydantic", "yaml", "typer", "rich",
]  # fmt: skip
LIMIT = 0.3  # seconds of CPU


def fresh(code: str) -> str:
    """What `code` prints in a new interpreter."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def imported(code: str) -> list[str]:
    found: list[str] = json.loads(
        fresh(f"import sys, json\n{code}\nprint(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))")
    )
    return found


def test_import_takes_less_than_three_tenths_of_a_second() -> None:
    code = "import time; t = time.process_time(); import vedette; print(time.process_time() - t)"
    fastest = min(float(fresh(code)) for _ in range(3))
    assert fastest < LIMIT


def test_import_is_light() -> None:
    assert imported("import vedette") == []


def test_listing_plugins_imports_no_component() -> None:
    assert imported("import vedette.plugins; vedette.plugins.load_registry()") == []


def test_the_name_of_a_component_imports_its_module_only() -> None:
    code = (
        "import vedette\nassert vedette.sinks.File.__name__ == 'File'\n"
        "assert 'vedette.components.sinks.webhook' not in sys.modules"
    )
    assert imported(code) == []


@pytest.mark.parametrize("name", ["change", "drift", "explain", "metrics", "outlier", "preprocess", "sinks"])
def test_every_built_in_class_is_an_attribute_of_its_folder(name: str) -> None:
    import vedette

    folder = getattr(vedette, name)
    for cls in dir(folder):
        assert getattr(folder, cls).__name__ == cls
    with pytest.raises(AttributeError, match=f"vedette.components.{name}.*Nothing"):
        _ = folder.Nothing


def test_unknown_attribute_is_named() -> None:
    import vedette

    with pytest.raises(AttributeError, match="'vedette' has no attribute 'sesion'"):
        _ = vedette.sesion


def test_public_names_exist() -> None:
    import vedette

    assert dir(vedette) == sorted(vedette.__all__)
    for name in vedette.__all__:
        assert getattr(vedette, name) is not None


def test_make_gives_a_component_with_options() -> None:
    import vedette
    from vedette.plugins import OptionError

    sink = vedette.make("log", level="warning")
    assert sink.get_params() == {"logger": "vedette.events", "level": "warning"}
    with pytest.raises(OptionError, match="'level': 'loud': input should be 'debug'"):
        vedette.make("log", level="loud")
