"""`vedette init`: a commented monitors.yaml from a reference file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vedette_specs import Schema

HELP = """Write a commented monitors.yaml from a reference file.

Example:

    vedette init --model income --label income data/reference.parquet
"""


def register(cli: typer.Typer) -> None:
    cli.command("init", help=HELP)(init)


def init(
    reference: Annotated[Path, typer.Argument(help="A parquet or csv file of the time when the model was right.")],
    model: Annotated[str, typer.Option("--model", help="The model's name.")] = "model",
    label: Annotated[str | None, typer.Option("--label", help="The label's column in the reference.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.")] = Path("monitors.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    from vedette.config import load_text

    if output.exists() and not force:
        raise typer.BadParameter(f"{str(output)!r} is there already; --force overwrites it", param_hint="--output")
    schema, left_out = infer(reference, label)
    folder = output.absolute().parent
    text = render(model, os.path.relpath(reference.absolute(), folder), schema, left_out)
    load_text(text, str(output), folder)
    output.write_text(text, encoding="utf-8")
    typer.echo(f"{output} is written; see what it means: vedette check {output}")


def infer(reference: Path, label: str | None) -> tuple[Schema, dict[str, str]]:
    """The schema that the reference shows, and the columns that are no features, each with the reason.

    ValueError where it has no such label column.
    """
    from vedette.config.identifying import no_features
    from vedette.config.inference import infer_schema
    from vedette.config.models import SchemaSection
    from vedette.config.reference import read_columns
    from vedette_specs import Batch

    columns = read_columns(str(reference))
    if isinstance(columns, Batch):
        return infer_schema(SchemaSection(label=label), columns), {}
    left_out = {name: why for name, why in no_features(columns).items() if name != label}
    kept = {name: values for name, values in columns.items() if name not in left_out}
    return infer_schema(SchemaSection(label=label), kept), left_out


def render(model: str, reference: str, schema: Schema, left_out: Mapping[str, str] | None = None) -> str:
    """The YAML: what is known is set, what can be chosen stands in comments."""
    lines = [
        "version: 1",
        f"model: {{name: {_quoted(model)}}}",
        f"reference: {_quoted(reference)}  # relative to this file",
        "",
        "schema:",
        f"  task: {schema.task}  # binary, multiclass, regression or none",
        *_label_lines(schema),
        "  features:  # the model's columns in order; numeric, category, text, image or embedding",
        *(f"    {json.dumps(name, ensure_ascii=False)}: {kind}" for name, kind in schema.features.items()),
        *(f"    # {json.dumps(name, ensure_ascii=False)}: {why}" for name, why in (left_out or {}).items()),
        "",
        "# What is watched: auto is quality, drift, shift, outliers and performance, as far as they fit the model.",
        "# `vedette check --expand` prints them, to be changed here.",
        "monitors: auto",
        "",
        *_CHOICES,
    ]
    return "\n".join(lines) + "\n"


def _label_lines(schema: Schema) -> list[str]:
    lines = [] if schema.label is None else [f"  label: {_quoted(schema.label)}"]
    if schema.classes:
        lines.append(f"  classes: [{', '.join(map(_quoted, schema.classes))}]  # in the order of the probabilities")
    if schema.task == "binary" and schema.positive is not None:
        lines.append(f"  positive: {_quoted(schema.positive)}")
        lines.append(f"  threshold: {schema.threshold:g}  # of its probability, for the model to answer it")
    return lines


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar: every JSON text is one. What looks like a variable is none."""
    return json.dumps(text.replace("${", "$${"), ensure_ascii=False)


_CHOICES = (
    "# Where a call's parts are, if it is none of V2, V1, MLflow, records or arrays:",
    "# capture: {inputs: body.rows, prediction: response.class, probabilities: response.score}",
    "",
    "# Where state is kept; several machines need PostgreSQL:",
    '# store: "${VEDETTE_STORE:-sqlite:///vedette.db}"',
    "",
    "# Who is told:",
    '# sinks: {pager: {use: webhook, url: "${ALERT_URL}", events: [alert], severity: [page]}}',
)
