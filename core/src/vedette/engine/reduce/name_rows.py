"""From keys to rows: labels that name a key of the business are told the prediction that they mean, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from vedette.config.plan import Plan
from vedette.engine.naming import ID, meant, places_of_keys, target
from vedette.store import keys, labels, predictions
from vedette.store.labels import Label


def name_rows(connection: Connection, plan: Plan, waiting: Sequence[Label]) -> tuple[list[Label], list[Label]]:
    """(labels with the request and row that they mean, those whose key no stored prediction has).

    A label that was told its row before, and comes again with the same time and value, is dropped.
    """
    if plan.labels.join == ID:
        return list(waiting), []
    held = keys.find(connection, plan.model, (label.request for label in waiting))
    blocks = predictions.load(connection, (number for found in held.values() for number in found), plan.schema)
    places = places_of_keys(blocks, plan.labels.join, held)
    named, unknown = [], []
    for label in waiting:
        whole = len(held.get(label.request, ())) < keys.MOST_BLOCKS
        place = meant(places.get(label.request, ()), label.time, whole)
        if place is None:
            unknown.append(label)
        else:
            request, row = target(blocks, place)
            named.append(replace(label, request=request, row=row))
    return _fresh(connection, plan.model, named), unknown


def _fresh(connection: Connection, model: str, named: Sequence[Label]) -> list[Label]:
    """Those that were not joined before, which are told their rows."""
    rows = [{**{name: getattr(label, name) for name in labels.IDENTITY}, "id": label.id} for label in named]
    new = {row["id"] for row in labels.unknown(connection, model, rows, ("unmatched", "pending"))}
    labels.drop(connection, [label.id for label in named if label.id not in new])
    fresh = [label for label in named if label.id in new]
    labels.rename(connection, {label.id: label.key for label in fresh})
    return fresh
