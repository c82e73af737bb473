"""Results of the recording: as a site has published them, as a replay gives them, and whether they are the same."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.testing.lab import EXACT, require, same
from vedette.testing.platforms import model
from vedette.testing.platforms.configuration import RAISING
from vedette.testing.platforms.monitors import PATIENCE, wait_for
from vedette.testing.platforms.platform import Row, Setting
from vedette.testing.platforms.recording import Recording

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle
    from vedette.plugins import Registry
    from vedette.testing.platforms.bench import Watched
    from vedette_specs import Batch

Result = dict[str, Any]
Key = tuple[str, str, str, float]  # monitor, window, segment, end
Results = dict[Key, Result]
WHEN = ("revision", "created", "revised")  # when a result was published, not what it says
SKETCHED = "quantile"
RANK_ERROR = 2 * 0.0133  # twice the bound that holds with 99 % confidence, so that it holds in every run


def recorded_results(watched: Watched) -> Results:
    """What the site says of the recording, once it has said all."""
    if watched.recorded is not None:
        return watched.recorded
    wanted = replayed_results(watched).keys()
    seconds = max(0.0, watched.recording.end - time.time()) + PATIENCE

    def look() -> Results | None:
        found = _of_recording(watched.monitors.results(until=watched.recording.end), watched.recording)
        return found if wanted <= found.keys() else None

    def what() -> str:
        there = _of_recording(watched.monitors.results(until=watched.recording.end), watched.recording)
        return f"results of a replay that the site does not give: {sorted(wanted - there.keys())[:5]}"

    found = wait_for(look, what, seconds)
    watched.recorded = found
    assert found is not None
    return found


def replayed_results(watched: Watched) -> Results:
    """What a replay of the recording, with the same configuration, says in this process."""
    recording = watched.recording
    if recording.replayed is None:
        recording.replayed = replay_of(watched.setting, recording)
    return recording.replayed


def same_results(found: Results, wanted: Results, recording: Recording) -> None:
    """CheckFailed where the results differ: counts exactly, floats by 1e-9 (relative), sketches beyond their bound."""
    strange, missing = sorted(found.keys() - wanted.keys()), sorted(wanted.keys() - found.keys())
    require(not strange and not missing, f"windows that only one has: {strange[:5]}, {missing[:5]}")
    for key, right in sorted(wanted.items()):
        left = found[key]
        same(_exact(left), _exact(right), EXACT, f"{key}: differs")
        for result in (left, right):
            _within_bound(result, recording)


def _of_recording(results: list[Result], recording: Recording) -> Results:
    """The results that stand on rows of the recording alone; not of the monitor that was told to raise."""
    kept = [item for item in results if item["end"] <= recording.end and item["monitor"] != RAISING]
    keyed = {(item["monitor"], item["window"], item["segment"], item["end"]): item for item in kept}
    return {key: {k: v for k, v in item.items() if k not in WHEN} for key, item in keyed.items()}


def _exact(result: Result) -> Result:
    return {**result, "values": {name: v for name, v in result["values"].items() if name != SKETCHED}}


def _within_bound(result: Result, recording: Recording) -> None:
    """The rank of a sketch's quantiles among the rows that it has seen."""
    for column, value in (result["values"].get(SKETCHED) or {}).items():
        seen = np.sort([
            row[column] for _, rows, stamp in recording.requests() if stamp.time < result["end"]
            for row in rows if row[column] is not None
        ])  # fmt: skip
        low, high = (float(np.searchsorted(seen, value, side)) / len(seen) for side in ("left", "right"))
        bound = RANK_ERROR + 1.0 / len(seen)
        require(
            low - bound <= 0.5 <= high + bound,
            f"{result['monitor']} at {result['end']}: the median of {column} has the rank {low:.4f} to {high:.4f}",
        )


def replay_of(setting: Setting, recording: Recording) -> Results:
    from vedette.config.loading import load_all
    from vedette.engine.bundle import build_bundle
    from vedette.engine.run.replay import replay

    assert setting.config is not None
    registry = _registry(setting)
    loaded = load_all([setting.config], registry=registry)
    bundle = build_bundle(loaded.plan, registry, loaded.reference)
    service = replay(bundle, registry, _rows(bundle, recording), recording.feedback())
    found: list[Result] = [dict(item) for item in service.results(limit=100_000)]
    return _of_recording(found, recording)


def _registry(setting: Setting) -> Registry:
    """With the plugins that the site has."""
    from vedette.plugins import load_registry

    with _on_path(setting):
        return load_registry()


@contextmanager
def _on_path(setting: Setting) -> Iterator[None]:
    added = [str(path) for path in setting.pythonpath]
    sys.path[:0] = added
    try:
        yield
    finally:
        for path in added:
            sys.path.remove(path)


def _rows(bundle: Bundle, recording: Recording) -> Batch:
    """The recording as the tap decodes it."""
    from vedette_specs import category, concat

    schema = bundle.plan.schema
    parts = []
    for name, rows, stamp in recording.requests():
        answer, count = model.answer(rows), len(rows)
        parts.append(
            _columns(rows, bundle).replace(
                ids=_repeated(name, count),
                rows=np.arange(count, dtype=np.int32),
                times=np.full(count, stamp.time),
                prediction=category(answer["predictions"], schema.classes),
                probabilities=np.array(answer["probabilities"]),
                attributes={"region": category([stamp.region] * count)},
            )
        )
    return concat(parts)


def _columns(rows: Sequence[Row], bundle: Bundle) -> Batch:
    from vedette_specs import as_batch

    gone = math.nan
    columns = {name: [gone if (value := row[name]) is None else value for row in rows] for name in model.FEATURES}
    return as_batch(columns, bundle.plan.schema)


def _repeated(text: str, count: int) -> Any:
    ids = np.empty(count, dtype=object)
    ids[:] = text
    return ids
