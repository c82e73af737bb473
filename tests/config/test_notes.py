"""What people should know of a configuration that is not wrong: notes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vedette.config.faults import ConfigError
from vedette.config.loading import Loaded, load_all

HEAD = """\
version: 1
model: {name: income}
reference: reference.parquet
schema: {label: income, features: {age: numeric, hours: numeric}}
"""
Notes = Callable[[str], list[str]]


@pytest.fixture
def notes(folder: Path) -> Notes:
    def run(body: str) -> list[str]:
        return [str(note).partition("\n")[0].removeprefix(f"{folder}/") for note in loaded(folder, body).notes]

    return run


def loaded(folder: Path, body: str) -> Loaded:
    (folder / "monitors.yaml").write_text(HEAD + body)
    return load_all([folder / "monitors.yaml"])


def test_rows_must_bring_an_attribute_that_nothing_declares(notes: Notes) -> None:
    (note,) = notes("monitors: {a: {metrics: [moments], by: [age, regio]}}\n")
    assert note.startswith("monitors.yaml:5:46: by: 'regio' is neither a feature nor in 'capture.attributes'")
    assert "rows must bring it as an attribute" in note


def test_a_feature_that_is_nearly_meant_is_named(notes: Notes) -> None:
    (note,) = notes("monitors: {a: {metrics: [moments], by: hour}}\n")
    assert note.endswith("did you mean 'hours'?")


@pytest.mark.parametrize(
    "body",
    [
        "monitors: {a: {metrics: [moments], by: age}}\n",
        "monitors: {a: {metrics: [moments], by: version}}\n",
        "capture: {attributes: {region: header.x-region}}\nmonitors: {a: {metrics: [moments], by: region}}\n",
        "monitors: auto\n",
    ],
)
def test_nothing_to_note(notes: Notes, body: str) -> None:
    assert notes(body) == []


def test_a_detector_whose_segments_have_no_reference(notes: Notes) -> None:
    (note,) = notes("capture: {attributes: {region: header.r}}\nmonitors: {a: {detect: ks, by: region}}\n")
    assert "the reference has no column 'region', so no segment has a reference" in note


def test_a_column_of_the_reference_that_is_no_feature_makes_segments(folder: Path) -> None:
    found = loaded(folder, "capture: {attributes: {job: header.j}}\nmonitors: {a: {detect: ks, by: job}}\n")
    assert found.notes == ()
    assert found.reference is not None
    assert set(found.reference.attributes["job"].strings()) == {"clerk", "nurse", "smith"}
    assert list(found.reference.inputs) == ["age", "hours"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("monitors: {a: {metrics: [{use: accuracy, weight: hour}]}}\n", "5:26: weight: 'hour' is neither a feature"),
        ("monitors: {a: {metrics: [{use: expression, formula: sum(zz) / count()}]}}\n", "expression: 'zz' is neither"),
        ("labels: {join: ordr}\nmonitors: {a: {metrics: [accuracy]}}\n", "join: 'ordr' is neither a feature nor in"),
    ],
)
def test_columns_that_no_row_may_bring_are_noted(notes: Notes, body: str, said: str) -> None:
    (note,) = notes(body)
    assert said in note


def test_where_attributes_are_declared_a_metric_reads_these_or_features(folder: Path) -> None:
    declared = "capture: {attributes: {amount: header.x-amount}}\n"
    body = (
        "monitors: {a: {metrics: [{use: accuracy, weight: amount}, {use: expression, formula: mean(age * hours)}]}}\n"
    )
    assert loaded(folder, declared + body).notes == ()
    with pytest.raises(ConfigError, match="weight: there is no feature or attribute 'amuont'; did you mean 'amount'"):
        loaded(folder, declared + body.replace("weight: amount", "weight: amuont"))
