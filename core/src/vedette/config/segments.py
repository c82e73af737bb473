"""Columns that are named: whether rows have those that a monitor is segmented by, or reads, and the reference too."""

from __future__ import annotations

from vedette.config.faults import did_you_mean
from vedette.config.resolving import Context
from vedette.config.tree import Path

VERSION = "version"  # of the model: every row has it


def check_segments(ctx: Context, path: Path, by: tuple[str, ...], *, learns: bool) -> None:
    """Faults where `capture.attributes` names others; notes where only rows can tell. learns: from a reference."""
    attributes = ctx.document.capture.attributes
    features = ctx.schema.features if ctx.schema is not None else {}
    for index, column in enumerate(by):
        where = (*path, index)
        if ctx.schema is None or column in features:
            continue
        if column != VERSION and column not in attributes:
            _unknown(ctx, where, column, [*attributes, *features, VERSION])
        if learns and ctx.reference is not None and column not in ctx.reference.attributes:
            ctx.note(
                where,
                f"by: the reference has no column {column!r}, so no segment has a reference to be compared with, "
                f"and every result is 'insufficient'",
            )


def check_read(ctx: Context, path: Path, column: str, key: str) -> None:
    """A column or attribute that a metric reads by name: one that no row brings leaves it without a value for ever."""
    if ctx.schema is not None and column not in (VERSION, *ctx.schema.features, *ctx.document.capture.attributes):
        _unknown(ctx, path, column, [*ctx.document.capture.attributes, *ctx.schema.features], key, "it has no value")


def _unknown(
    ctx: Context, path: Path, column: str, declared: list[str], key: str = "by",
    otherwise: str = "all of them are one segment",
) -> None:  # fmt: skip
    """Only a fault where the configuration names the attributes itself: a Session may log others."""
    if ctx.document.capture.attributes:
        ctx.fault(
            path,
            f"{key}: there is no {'attribute' if key == 'by' else 'feature or attribute'} {column!r}"
            f"{did_you_mean(column, declared)}",
        )
        return
    hint = did_you_mean(column, ctx.schema.features if ctx.schema is not None else ())
    ctx.note(
        path,
        f"{key}: {column!r} is neither a feature nor in 'capture.attributes': rows must bring it as an attribute, "
        f"or {otherwise}{hint if 'did you mean' in hint else ''}",
    )
