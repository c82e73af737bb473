"""What is wrong with people's files is told in their words: file, column, row, value, what is allowed; exit code 2."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from vedette.cli import check, labels, replay, status
from vedette.cli.label_files import reading

YAML = """\
version: 1
model: {name: flats}
reference: reference.csv
schema: {task: TASK, label: price, features: {size: numeric, rooms: numeric}}
store: sqlite:///store.db
monitors:
  drift: {detect: ks, window: 100 rows}
  errors: {metrics: [missing_rate], window: 100 rows, alert: overall_missing_rate > 0.5}
"""


@pytest.fixture
def flats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A regression's configuration, reference and logged rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"size": rng.normal(60, 9, 300), "rooms": rng.integers(1, 6, 300)})
    table["price"] = table["size"] * 3.5
    table[:250].to_csv("reference.csv", index=False)
    live = table[250:].assign(id=[f"r{i}" for i in range(50)], time=1_700_000_000 + np.arange(50))
    live.to_csv("live.csv", index=False)
    (tmp_path / "monitors.yaml").write_text(YAML.replace("TASK", "regression"))
    return tmp_path


def said(*arguments: str) -> str:
    """What a command says of input that is bad: nothing else ended it."""
    from vedette.cli import exit_code

    cli = typer.Typer()
    cli.callback()(lambda: None)
    for command in (check, replay, labels, status):
        command.register(cli)
    done = CliRunner().invoke(cli, list(arguments))
    if isinstance(done.exception, SystemExit):
        assert done.exit_code == 2, done.output
        return done.output
    assert isinstance(done.exception, Exception), done.output
    assert exit_code(done.exception) == 2, done.exception
    return str(done.exception)


def changed(**columns: object) -> None:
    pd.read_csv("live.csv").assign(**columns).to_csv("live.csv", index=False)


def test_a_column_that_the_replayed_file_lacks(flats: Path) -> None:
    pd.read_csv("live.csv").rename(columns={"rooms": "room"}).to_csv("live.csv", index=False)
    assert (
        said("replay", "monitors.yaml", "live.csv") == "live.csv: the file has no column 'rooms'; did you mean 'room'?"
    )


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"rooms": "many"}, "the column 'rooms' is not numeric: row 1 holds 'many'"),
        ({"price": "dear"}, "the label column 'price' is not numeric: row 1 holds 'dear'; allowed: numbers"),
        ({"time": "noon"}, "column 'time': row 1 holds 'noon'; allowed: seconds since the epoch or ISO 8601"),
        ({"rooms": pd.Timestamp("2026-01-01")}, "the column 'rooms' holds date32[day] values, not numeric"),
        ({"prediction": "dear"}, "column 'prediction': row 1 holds 'dear'; allowed: numbers"),
        ({"row": -1}, "column 'row': row 1 holds -1; allowed: whole numbers from 0 to 1,000,000"),
        ({"time": [1, 2, 3, "yesterday", *range(46)]}, "column 'time': row 4 holds 'yesterday'; allowed: seconds"),
        ({"time": [1.7e12] * 50}, "column 'time': row 1 holds '1700000000000'; are these milliseconds?"),
        ({"time": [5, -5, *range(48)]}, "column 'time': row 2 holds '-5'; allowed: seconds"),
        ({"time": [None, *range(49)]}, "column 'time': row 1 holds none; allowed: seconds"),
    ],
)
def test_a_value_of_the_replayed_file(flats: Path, columns: dict[str, object], problem: str) -> None:
    changed(**columns)
    found = said("replay", "monitors.yaml", "live.csv")
    assert found.startswith(f"live.csv: {problem}")
    assert "reference" not in found


def test_times_may_be_texts(flats: Path) -> None:
    from vedette.config import load
    from vedette.engine.run.logged import read_rows

    changed(time=pd.date_range("2026-01-01", periods=50, freq="s").strftime("%Y-%m-%dT%H:%M:%SZ"))
    rows = read_rows(Path("live.csv"), load("monitors.yaml"))
    assert rows.times is not None
    assert rows.times.tolist() == (pd.Timestamp("2026-01-01").timestamp() + np.arange(50)).tolist()


@pytest.mark.parametrize("command", ["check", "replay"])
def test_a_column_that_stands_twice(flats: Path, command: str) -> None:
    file = "reference.csv" if command == "check" else "live.csv"
    Path(file).write_text("size,rooms,size,price\n1,2,3,4\n")
    arguments = ["monitors.yaml"] if command == "check" else ["monitors.yaml", "live.csv"]
    assert f"{file}' has the column 'size' twice" in said(command, *arguments)


def test_labels_of_a_regression_that_are_texts(flats: Path) -> None:
    Path("labels.csv").write_text("id,label\nr0,1.5\nr1,dear\n")
    found = said("replay", "monitors.yaml", "live.csv", "--labels", "labels.csv")
    assert found == "labels.csv: column 'label': row 2 holds 'dear'; allowed: numbers"
    assert said("labels", "monitors.yaml", "labels.csv") == f"{found} (0 labels are stored)"


def test_a_class_that_there_is_not(flats: Path) -> None:
    table = pd.read_csv("reference.csv")
    table.assign(price=np.where(table.price > 210, "dear", "cheap")).to_csv("reference.csv", index=False)
    (flats / "monitors.yaml").write_text(YAML.replace("TASK", "binary"))
    pd.read_csv("live.csv").drop(columns="price").to_csv("live.csv", index=False)
    Path("labels.csv").write_text("id,label\nr0,dear\nr1,daer\n")
    found = said("replay", "monitors.yaml", "live.csv", "--labels", "labels.csv")
    assert found == "labels.csv: column 'label': row 2 holds 'daer', which is no class; allowed: cheap, dear"
    found = said("labels", "monitors.yaml", "labels.csv")
    assert (
        found == "labels.csv: column 'label': row 2: 'daer' is not a class; allowed: cheap, dear (0 labels are stored)"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("request,label\nr0,1\n", "labels.csv: column 'id' is missing; it has request, label"),
        ("id,label,who\nr0,1,x\n", "labels.csv: column 'who' is not known; allowed: id, label, row, annotator, time"),
        ("id,label,label\nr0,1,2\n", "labels.csv: column 'label' stands twice"),
        ("id,label,row\nr0,1,first\n", "labels.csv: column 'row': row 1 holds 'first'; allowed: whole numbers"),
        ("id,label,row\nr0,1,0\nr1,1,1.5\n", "labels.csv: column 'row': row 2 holds '1.5'; allowed: whole numbers"),
        ("id,label,time\nr0,1,1700000000000\n", "labels.csv: column 'time': row 1 holds '1700000000000'; allowed"),
        (
            "id,label,time\nr0,1,5\nr1,1,1700000000000\n",
            "labels.csv: column 'time': row 2 holds '1700000000000'; allowed: seconds since the epoch or ISO 8601, "
            "from 1970 to 2200; are these milliseconds?",
        ),
        ("id,label,time\nr0,1,noon\n", "labels.csv: column 'time': row 1 holds 'noon'; allowed: seconds since the"),
    ],
)
def test_columns_of_labels(flats: Path, text: str, problem: str) -> None:
    Path("labels.csv").write_text(text)
    assert said("labels", "monitors.yaml", "labels.csv").startswith(problem)


@pytest.mark.parametrize(
    ("content", "sent", "replayed"),
    [
        (
            b"",
            "the file is empty; its first line must name the columns: id, label, row",
            "cannot be read: Empty CSV file",
        ),
        (
            b"id,label\nr0,1\nr1,2,3\n",
            "row 2 has 3 fields; expected: 2 (id, label) (0 labels are stored)",
            "Row #3: Expected 2 columns",
        ),
        (b"id,label\nr0,1\nr\xe9,2\n", "line 3 is not UTF-8: it holds the byte 0xe9", "line 3 is not UTF-8"),
        (b"id,label,\xe9\nr0,1,2\n", "line 1 is not UTF-8: it holds the byte 0xe9", "line 1 is not UTF-8"),
        (
            b'id,label\nr0,1\nr1,"2\nr2,3\n',
            "row 2 cannot be read: unexpected end of data; is a quote not closed?",
            "row 2 holds '2\\nr2",
        ),
        (b"id,label,time\nr0,1,5\nr1,2,inf\n", "row 2 holds 'inf'; allowed: seconds", "row 2 holds 'inf'; allowed"),
    ],
)
def test_a_labels_file_that_cannot_be_read_is_named(flats: Path, content: bytes, sent: str, replayed: str) -> None:
    Path("labels.csv").write_bytes(content)
    of_labels = said("labels", "monitors.yaml", "labels.csv")
    of_replay = said("replay", "monitors.yaml", "live.csv", "--labels", "labels.csv")
    assert of_labels.startswith("labels.csv: ")
    assert sent in of_labels
    assert "labels.csv" in of_replay
    assert replayed in of_replay
    assert "\n" not in of_labels + of_replay


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id,label\nr-1,3,4\n", "row 1 has 3 fields; expected: 2 (id, label)"),
        ("id,label,row\nr-1,3\n", "row 1 has 2 fields; expected: 3 (id, label, row)"),
        ("id,label\nr-1,3\n\nr-2\n", "row 2 has 1 field; expected: 2 (id, label)"),
        ('id,label\nr-1,3\n""\n', "row 2 has 1 field; expected: 2 (id, label)"),
    ],
)
def test_a_row_without_a_field_for_each_column_is_refused(flats: Path, text: str, problem: str) -> None:
    Path("labels.csv").write_text(text)
    assert said("labels", "monitors.yaml", "labels.csv") == f"labels.csv: {problem} (0 labels are stored)"


def test_what_was_stored_before_a_row_that_is_too_long_is_told(flats: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.cli.label_files.CHUNK", 2)
    Path("labels.csv").write_text("id,label\nr0,1\nr1,2\nr2,3\nr3,4,5\n")
    found = said("labels", "monitors.yaml", "labels.csv")
    assert found == "labels.csv: row 4 has 3 fields; expected: 2 (id, label) (2 labels are stored)"


def test_texts_of_labels_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_bytes(b'\xef\xbb\xbfid,label,annotator\r\n007,NA,\r\n \r\n1.0,"a, ""b""\nc",""\r\n')
    with reading(file, "id") as (total, chunks):
        (frame,) = chunks
    assert total is None
    assert frame.to_numpy().tolist() == [["007", "NA", None], ["1.0", 'a, "b"\nc', None]]


def test_a_file_that_is_one_endless_line_is_not_read_into_memory(flats: Path) -> None:
    Path("labels.csv").write_text("id,label\nr0,1\n" + "x" * 1_500_000)
    assert said("labels", "monitors.yaml", "labels.csv").startswith("labels.csv: line 3 is longer than 1,000,000")
    Path("labels.csv").write_text('id,label\nr0,1\nr1,"' + "x\n" * 100_000)
    found = said("labels", "monitors.yaml", "labels.csv")
    assert found.startswith("labels.csv: row 2 cannot be read: field larger than field limit")


def test_a_key_that_is_refused_is_located_by_the_name_in_the_file(flats: Path) -> None:
    joined = (
        YAML.replace("TASK", "regression") + "labels: {join: order}\ncapture: {attributes: {order: header.x-order}}\n"
    )
    (flats / "monitors.yaml").write_text(joined)
    Path("labels.csv").write_text(f"order,label\nA,1\n{'B' * 241},2\n")
    found = said("labels", "monitors.yaml", "labels.csv")
    assert found.startswith("labels.csv: column 'order': row 2: 'BBB")


def test_a_broken_parquet_file_of_labels_is_named(flats: Path) -> None:
    Path("labels.parquet").write_bytes(b"PAR1 nonsense")
    found = said("labels", "monitors.yaml", "labels.parquet")
    assert found.startswith("labels.parquet: cannot be read: Parquet magic bytes not found")
    pd.DataFrame({"id": ["a", "b"], "label": [1.0, 2.0], "time": [5.0, np.inf]}).to_parquet("labels.parquet")
    assert "column 'time': row 2 holds inf; allowed" in said("labels", "monitors.yaml", "labels.parquet")
    whole = Path("labels.parquet").read_bytes()
    Path("labels.parquet").write_bytes(whole[:10] + b"x" * 190 + whole[200:])
    found = said("labels", "monitors.yaml", "labels.parquet")
    assert found.startswith("labels.parquet: cannot be read: ")
    assert found.endswith("(0 labels are stored)")
    assert "\n" not in found
    pd.DataFrame({"id": ["a"], "label": [[1.0]]}).to_parquet("labels.parquet")
    found = said("replay", "monitors.yaml", "live.csv", "--labels", "labels.parquet")
    assert found == "labels.parquet: column 'label' holds lists; allowed: numbers or texts"


def test_a_labels_file_that_is_not_there(flats: Path) -> None:
    Path("labels.csv").write_text("id,label\n")
    for command in (
        ["labels", "monitors.yaml", "label.csv"],
        ["replay", "monitors.yaml", "live.csv", "--labels", "label.csv"],
    ):
        assert said(*command) == "the file 'label.csv' does not exist; did you mean 'labels.csv'?"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("vedette.db", "store: 'vedette.db' is no database URL; allowed: sqlite:///file.db"),
        ("mysql://u:s3cret@h/d", "store: 'mysql://u:***@h/d' names the database 'mysql'"),
        ("postgresql://u:s3cret@h:port/d", "store: 'postgresql://u:***@h:port/d' is no database URL"),
    ],
)
def test_a_store_of_the_command_line(flats: Path, url: str, problem: str) -> None:
    assert said("status", "--store", url).startswith(problem)
    assert said("replay", "monitors.yaml", "live.csv", "--store", url).startswith(problem)


@pytest.mark.parametrize("costs", ["--costs", "--no-costs"])
def test_check_finds_the_same_faults_with_and_without_costs(flats: Path, costs: str) -> None:
    wrong = YAML.replace("TASK", "regression").replace("overall_missing_rate", "overal_missing_rate")
    wrong += "  sharp: {detect: ks, window: 100 rows, alert: drifed}\n"
    (flats / "monitors.yaml").write_text(wrong)
    faults = json.loads(said("check", "monitors.yaml", "--json", costs))["faults"]
    assert [(fault["line"], fault["column"]) for fault in faults] == [(8, 62), (9, 48)]
    assert "'overal_missing_rate'; did you mean 'overall_missing_rate'?" in faults[0]["message"]
    assert "'drifed'; did you mean 'drifted'?" in faults[1]["message"]


def test_a_detector_that_cannot_be_fitted_is_told_at_its_place(flats: Path) -> None:
    pd.read_csv("reference.csv")[:1].to_csv("reference.csv", index=False)
    (flats / "monitors.yaml").write_text(YAML.replace("TASK", "regression").replace("ks", "conformal").replace(
        ", window: 100 rows}", "}"
    ))  # fmt: skip
    assert said("check", "monitors.yaml", "--no-costs").startswith("monitors.yaml:7:19: 'drift' cannot be fitted: ")


def test_a_replay_of_a_rule_that_names_nothing_tells_the_place(flats: Path) -> None:
    (flats / "monitors.yaml").write_text(YAML.replace("TASK", "regression").replace("overall_missing", "missing"))
    assert said("replay", "monitors.yaml", "live.csv").startswith("monitors.yaml:8:62: alert 'errors'")


def test_a_metric_that_cannot_measure_the_reference_is_told_at_its_place(flats: Path) -> None:
    two = YAML.replace("TASK", "regression").replace("missing_rate]", "{use: entropy, columns: [size]}]")
    two = two.replace("size: numeric", "size: numeric, town: category").replace(
        ", alert: overall_missing_rate > 0.5", ""
    )
    (flats / "monitors.yaml").write_text(two)
    pd.read_csv("reference.csv").assign(town="Rome").to_csv("reference.csv", index=False)
    found = said("check", "monitors.yaml", "--no-costs")
    assert found.startswith(
        "monitors.yaml:8:28: 'errors' cannot measure the reference: entropy: column 'size' is numeric"
    )


def test_notes_are_told_and_are_no_faults(flats: Path) -> None:
    (flats / "monitors.yaml").write_text(YAML.replace("TASK", "regression").replace("rate],", "rate], by: town,"))
    cli = typer.Typer()
    cli.callback()(lambda: None)
    check.register(cli)
    done = CliRunner().invoke(cli, ["check", "monitors.yaml", "--no-costs"])
    assert done.exit_code == 0
    assert "note: monitors.yaml:8:41: by: 'town' is neither a feature" in done.stderr
    body = json.loads(CliRunner().invoke(cli, ["check", "monitors.yaml", "--no-costs", "--json"]).stdout)
    assert [(note["line"], note["column"]) for note in body["notes"]] == [(8, 41)]


def test_a_replay_tells_what_its_file_lacks(flats: Path) -> None:
    (flats / "monitors.yaml").write_text(
        YAML.replace("TASK", "regression") + "  losses: {metrics: [mae], window: 100 rows}\n"
        "  answers: {metrics: [moments], of: prediction, window: 100 rows}\n"
    )
    cli = typer.Typer()
    cli.callback()(lambda: None)
    replay.register(cli)

    def told(file: str) -> list[str]:
        done = CliRunner().invoke(cli, ["replay", "monitors.yaml", file, "--json"])
        assert done.exit_code == 0, done.output
        notes: list[str] = json.loads(done.stdout)["notes"]
        assert all(f"note: {note}" in done.stderr for note in notes)
        return notes

    lacks = "live.csv has no column 'prediction': losses.mae, answers.moments will have no values"
    assert told("live.csv") == [lacks]
    changed(prediction=1.0)
    assert told("live.csv") == []
    pd.read_csv("live.csv").drop(columns="price").to_csv("live.csv", index=False)
    (note,) = told("live.csv")
    assert note.startswith(
        "live.csv has no label column 'price', and no file of labels is given (--labels): losses.mae"
    )
    pd.read_csv("live.csv")[:0].to_csv("none.csv", index=False)
    assert told("none.csv") == ["none.csv has no rows: there is nothing to replay"]


def test_a_replay_tells_of_labels_that_name_no_row(flats: Path) -> None:
    (flats / "monitors.yaml").write_text(
        YAML.replace("TASK", "regression") + "  losses: {metrics: [mae], window: 10 rows}\n"
    )
    names = [f"r{i}" for i in range(30)] + [f"other{i}" for i in range(7)]
    pd.DataFrame({"id": names, "label": 5.0}).to_csv("labels.csv", index=False)
    rows = pd.read_csv("live.csv")
    rows.assign(prediction=rows.pop("price")).to_csv("unlabelled.csv", index=False)
    cli = typer.Typer()
    cli.callback()(lambda: None)
    replay.register(cli)
    done = CliRunner().invoke(cli, ["replay", "monitors.yaml", "unlabelled.csv", "--labels", "labels.csv", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["notes"] == ["labels.csv: 7 of 37 labels name no row of unlabelled.csv"]
    assert "note: labels.csv: 7 of 37" in done.stderr
