"""The committed JSON Schema is that of the models, and says what the loader says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vedette.config import jsonschema

COMMITTED = Path(__file__).parents[2] / "specs" / "monitors.schema.json"


def test_the_committed_file_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == jsonschema.text(), (
        "run: python -m vedette.config.jsonschema specs/monitors.schema.json"
    )


def test_every_section_of_the_grammar_is_in_it() -> None:
    schema = json.loads(jsonschema.text())
    assert set(schema["properties"]) == {
        "version", "model", "reference", "schema", "capture", "labels", "store", "retention", "windows",
        "preprocessors", "monitors", "alerts", "explainers", "pools", "sinks", "tap", "privacy", "server",
    }  # fmt: skip
    assert schema["required"] == ["version", "model"]
    assert schema["additionalProperties"] is False
    monitor = schema["$defs"]["MonitorSection"]
    assert set(monitor["properties"]) == {
        "metrics", "detect", "of", "window", "by", "compare", "preprocess", "alert", "explain", "pool",
    }  # fmt: skip
    assert {"as", "use"} == set(schema["$defs"]["ComponentSection"]["properties"])
    assert schema["$defs"]["ComponentSection"]["additionalProperties"] is True


def test_the_command_writes_or_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema.main([str(tmp_path / "s.json")])
    jsonschema.main([])
    assert capsys.readouterr().out == (tmp_path / "s.json").read_text() == jsonschema.text()
