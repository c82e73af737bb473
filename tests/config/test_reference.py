"""Reference rows and the schema that they show, or do not fit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vedette.config.files import BadReference
from vedette.config.inference import infer_schema
from vedette.config.models import SchemaSection
from vedette.config.plan import Plan
from vedette.config.reference import load_reference, local_path, read_columns
from vedette_specs import Batch, Schema

Load = Callable[..., Plan]
Faults = Callable[..., list[str]]
LONG = "a text that is much longer than sixty characters, so that it is no category of anything"
TABLE = pa.table(
    {
        "i": pa.array([1, 2, None], pa.int8()),
        "f": pa.array([0.5, None, 2.5], pa.float32()),
        "d": pa.array([Decimal("1.5"), Decimal("2.5"), None], pa.decimal128(5, 2)),
        "b": pa.array([True, None, False]),
        "s": pa.array(["y", "x", None]),
        "k": pa.array(["u", "v", "u"]).dictionary_encode(),
        "n": pa.array([7, 8, 7]).dictionary_encode(),
        "t": pa.array([LONG, None, LONG]),
        "e": pa.array([[1.0, 2.0], None, [3.0, 4.0]]),
        "when": pa.array([0, 1, 2], pa.timestamp("s")),
        "z": pa.nulls(3),
        "y": pa.array([0, 1, 1]),
    }
)


@pytest.fixture
def table(tmp_path: Path) -> str:
    pq.write_table(TABLE, tmp_path / "t.parquet")
    return str(tmp_path / "t.parquet")


def test_kinds(table: str) -> None:
    schema = infer_schema(SchemaSection(label="y"), read_columns(table))
    assert dict(schema.features) == {
        "i": "numeric", "f": "numeric", "d": "numeric", "b": "category", "s": "category", "k": "category",
        "n": "numeric", "t": "text", "e": "embedding", "z": "numeric",
    }  # fmt: skip
    assert (schema.task, schema.classes, schema.positive, schema.label) == ("binary", ("0", "1"), "1", "y")


def test_rows(table: str) -> None:
    schema = infer_schema(SchemaSection(label="y"), read_columns(table))
    batch = load_reference(table, schema)
    assert batch.schema == schema
    lists = {name: column.to_list() for name, column in batch.inputs.items()}
    assert (lists["i"], lists["f"]) == ([1.0, 2.0, None], [0.5, None, 2.5])
    assert (lists["b"], lists["s"], lists["k"]) == (["True", None, "False"], ["y", "x", None], ["u", "v", "u"])
    assert batch.inputs["s"].categories == ("x", "y")
    assert (lists["t"], lists["e"]) == ([LONG, None, LONG], [[1.0, 2.0], None, [3.0, 4.0]])
    assert batch.labels is not None
    assert batch.labels.to_list() == ["0", "1", "1"]
    assert "when" not in batch.inputs


def test_csv_gives_what_parquet_gives(tmp_path: Path, folder: Path) -> None:
    parquet = folder / "reference.parquet"
    pd.read_parquet(parquet).to_csv(tmp_path / "reference.csv", index=False)
    said = SchemaSection(label="income")
    one, other = (infer_schema(said, read_columns(str(p))) for p in (parquet, tmp_path / "reference.csv"))
    assert one == other
    left, right = load_reference(str(parquet), one), load_reference(f"file://{tmp_path}/reference.csv", one)
    assert left.inputs["job"].to_list() == right.inputs["job"].to_list()
    np.testing.assert_allclose(left.inputs["age"].values, right.inputs["age"].values)


def test_chunks_with_dictionaries_of_their_own(tmp_path: Path) -> None:
    chunks = [pa.array(["b", None]).dictionary_encode(), pa.array(["a", "b"]).dictionary_encode()]
    pq.write_table(pa.table({"k": pa.chunked_array(chunks)}), tmp_path / "c.parquet", row_group_size=2)
    column = load_reference(str(tmp_path / "c.parquet")).inputs["k"]
    assert (column.to_list(), column.categories) == (["b", None, "a", "b"], ("a", "b"))


@pytest.mark.parametrize(
    ("label", "task", "classes", "positive"),
    [
        (["b", "a", "b"], "binary", ("a", "b"), "b"),
        (["b", "a", "c"], "multiclass", ("a", "b", "c"), None),
        ([10, 9, 2], "multiclass", ("2", "9", "10"), None),
        ([0.0, 1.0, 1.0], "binary", ("0", "1"), "1"),
        ([0.5, 1.0, 1.0], "regression", (), None),
        (list(range(30)), "regression", (), None),
        ([True, False, True], "binary", ("False", "True"), "True"),
        (["a", None, "a"], "none", ("a",), None),
    ],
)
def test_task_and_classes(
    label: list[Any], task: str, classes: tuple[str, ...], positive: str | None, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"x": [1.0] * len(label), "y": label}), tmp_path / "r.parquet")
    schema = infer_schema(SchemaSection(label="y"), read_columns(str(tmp_path / "r.parquet")))
    assert (schema.task, schema.classes, schema.positive) == (task, classes, positive)


@pytest.mark.parametrize(("name", "found"), [("target", "target"), ("Label", "Label"), ("outcome", None)])
def test_a_label_that_nobody_named(name: str, found: str | None) -> None:
    columns = {"x": np.arange(3.0), name: np.array(["a", "b", "a"], dtype=object)}
    schema = infer_schema(SchemaSection(), columns)
    assert schema.label == found
    assert list(schema.features) == (["x"] if found else ["x", name])


SCHEMAS = [
    ("{label: incom}", "4:17: schema: the reference has no label column 'incom'; did you mean 'income'?"),
    ("{label: income, positive: '>50k'}", "4:35: schema: '>50k' is not one of the classes; did you mean '>50K'?"),
    ("{label: income, classes: ['>50K', no]}", "4:34: schema: the label column 'income' holds '<=50K', which is not"),
    ("{label: income, classes: [a, a]}", "the classes ['a', 'a'] name one twice"),
    ("{label: income, task: regression}", "schema: the label column 'income' is not numeric: row 1 holds '"),
    ("{label: hours, task: binary}", "4:30: schema: a binary task has two classes, but there are no classes"),
    ("{label: job, task: binary}", "there are 3 classes: ['clerk', 'nurse', 'smith']"),
    ("{task: multiclass}", "a multiclass task has two classes or more; give them or a label column"),
    ("{task: regression, classes: [a, b]}", "a task 'regression' has no classes"),
    ("{features: {agee: numeric}}", "4:27: schema: the reference has no column 'agee'; did you mean 'age'?"),
    ("{features: {job: numeric}}", "4:26: schema: the column 'job' is not numeric: row 1 holds '"),
    ("{features: {age: number}}", "4:26: age: 'number' is not allowed; did you mean 'numeric'?"),
    ("{features: {age: embedding}}", "4:26: schema: the column 'age' is numeric, not embedding"),
    ("{label: age, features: {age: numeric}}", "the label column 'age' is no feature"),
    ("{threshold: 2}", "4:21: threshold: 2 must be less than or equal to 1"),
]


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS)
def test_schemas_that_do_not_fit(schema: str, expected: str, faults: Faults) -> None:
    head = f"version: 1\nmodel: {{name: m}}\nreference: reference.parquet\nschema: {schema}\n"
    found = faults("monitors: {q: {metrics: [missing_rate]}}", head=head)
    assert len(found) == 1, found
    assert expected in found[0]


def test_several_columns_that_are_missing_are_all_named(faults: Faults) -> None:
    head = (
        "version: 1\nmodel: {name: m}\nreference: reference.parquet\nschema: {features: {a1: numeric, b1: numeric}}\n"
    )
    assert len(faults("monitors: {q: {metrics: [missing_rate]}}", head=head)) == 2


def test_given_features_are_the_models_columns_in_their_order(load: Load) -> None:
    head = "version: 1\nmodel: {name: m}\nreference: reference.parquet\n"
    plan = load("schema: {label: income, features: {job: auto, hours: category}}", head=head)
    assert list(plan.schema.features.items()) == [("job", "category"), ("hours", "category")]
    batch = load_reference(plan)
    assert list(batch.inputs) == ["job", "hours"]
    assert all(text.isdigit() for text in batch.inputs["hours"].categories)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"not parquet", "cannot be read"),
        ("a.csv", b"", "cannot be read"),
        ("a.xlsx", b"x", "is of no known form; allowed: .parquet, .pq, .csv, .csv.gz"),
    ],
)
def test_files_that_cannot_be_read(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadReference, match=message):
        read_columns(str(tmp_path / name))


def test_labels_outside_the_classes_are_refused(folder: Path) -> None:
    schema = Schema(features={"age": "numeric"}, task="binary", classes=("a", "b"), label="income")
    with pytest.raises(BadReference, match="the label column 'income' holds '<=50K'; allowed: a, b"):
        load_reference(str(folder / "reference.parquet"), schema)


class Plugin:
    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def load_reference(self, uri: str) -> Any:
        return self.rows if uri == "lake://rows" else None


def test_plugins_load_other_uris() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "k": ["a", "b"]})
    assert load_reference("lake://rows", registry=Plugin(frame)).inputs["k"].to_list() == ["a", "b"]
    batch = Batch({"x": load_reference("lake://rows", registry=Plugin(frame)).inputs["x"]})
    assert load_reference("lake://rows", registry=Plugin(batch)) is batch
    with pytest.raises(BadReference, match="no plugin loads 'sea://rows'"):
        load_reference("sea://rows", registry=Plugin(frame))


@pytest.mark.parametrize(
    ("uri", "path"), [("a/b.csv", "a/b.csv"), ("file:///a%20b", "/a b"), ("s3://b/k", None), ("mlflow:/x", None)]
)
def test_local_paths(uri: str, path: str | None) -> None:
    assert local_path(uri) == (None if path is None else Path(path))


def answered(folder: Path) -> Path:
    """The reference with the model's own answers beside its columns."""
    frame = pd.read_parquet(folder / "reference.parquet")
    frame["prediction"] = frame["income"].to_numpy()[::-1]
    frame["p_>50K"] = np.linspace(0, 1, len(frame))
    frame["p_<=50K"] = 1 - frame["p_>50K"]
    frame.to_parquet(folder / "reference.parquet")
    return folder / "reference.parquet"


def test_answers_of_the_model_in_the_reference(load: Load, folder: Path) -> None:
    answered(folder)
    plan = load("monitors: {p: {detect: chi2, of: prediction}, q: {detect: ks, of: probabilities}}")
    assert list(plan.schema.features) == ["age", "hours", "job"]
    batch = load_reference(plan)
    assert batch.prediction is not None
    assert batch.prediction.categories == ("<=50K", ">50K")
    assert batch.probabilities is not None
    assert batch.probabilities.shape == (300, 2)
    assert batch.probabilities[0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{detect: chi2, of: prediction}", "chi2 learns the prediction from the reference, which has no column 'pred"),
        ("{detect: ks, of: probabilities}", "which has no columns 'p_<class>', one for each class"),
    ],
)
def test_a_reference_without_answers(body: str, expected: str, faults: Faults) -> None:
    found = faults(f"monitors: {{p: {body}}}")
    assert len(found) == 1
    assert expected in found[0]


def test_an_answer_outside_the_classes_is_refused(faults: Faults, folder: Path) -> None:
    frame = pd.read_parquet(answered(folder))
    frame.loc[3, "prediction"] = "maybe"
    frame.to_parquet(folder / "reference.parquet")
    assert "the column 'prediction' holds 'maybe'; allowed: <=50K, >50K" in faults("")[0]


def test_a_batch_of_a_plugin_is_fitted_to_the_schema() -> None:
    batch = Batch({"x": load_reference("lake://rows", registry=Plugin(pd.DataFrame({"x": [1.0]}))).inputs["x"]})
    schema = Schema(features={"x": "numeric"})
    assert load_reference("lake://rows", schema, Plugin(batch)).schema == schema
    with pytest.raises(BadReference, match="the reference has no column 'z'"):
        load_reference("lake://rows", Schema(features={"z": "numeric"}), Plugin(batch))


def test_an_index_that_pandas_saved_is_no_feature(tmp_path: Path) -> None:
    import pandas as pd

    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=[5, 7, 9])
    frame.to_parquet(tmp_path / "saved.parquet")
    assert list(load_reference(str(tmp_path / "saved.parquet")).inputs) == ["x"]
