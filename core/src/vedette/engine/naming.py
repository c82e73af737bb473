"""Labels that name a key of the business (`labels.join`): which prediction each of them means."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from vedette_specs.batch import Batch

ID = "id"  # `labels.join` of labels that name the request
Place = tuple[float, int, int]  # event time, block, position: the order in which predictions of a key follow
Target = tuple[str, int]  # request, row


def key_column(batch: Batch, join: str) -> Sequence[str | None]:
    """(n,) the rows' keys, from an attribute or input; None where a row has none."""
    column = batch.attributes.get(join, batch.inputs.get(join))
    return [None] * len(batch) if column is None else list(column.strings())


def places_of_keys(blocks: Mapping[int, Batch], join: str, wanted: Iterable[str]) -> dict[str, list[Place]]:
    """key -> where its predictions are, in the order of their event times."""
    keys = set(wanted)
    found: dict[str, list[Place]] = {}
    for number, batch in blocks.items():
        if batch.ids is None or batch.rows is None or batch.times is None:
            continue
        for i, key in enumerate(key_column(batch, join)):
            if key is not None and key in keys:
                found.setdefault(key, []).append((float(batch.times[i]), number, i))
    return {key: sorted(places) for key, places in found.items()}


def meant(places: Sequence[Place], time: float, whole: bool = True) -> Place | None:
    """The latest prediction at or before `time`, when the label was given; the first one where all came later.

    whole: whether all predictions of the key are here; else one before these may be meant, and None is answered.
    """
    position = bisect_right(places, (time, math.inf, math.inf))
    if not position and not whole:
        return None
    return places[max(position - 1, 0)] if places else None


def target(blocks: Mapping[int, Batch], place: Place) -> Target:
    """The request and row of a prediction."""
    _, number, position = place
    batch = blocks[number]
    assert batch.ids is not None
    assert batch.rows is not None
    return str(batch.ids[position]), int(batch.rows[position])
