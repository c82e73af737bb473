"""Which paths below /vedette are handed on to monitors that run elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.engine.capture.exchange import Scope

PARTS = frozenset({"api", "explain", "feedback", "healthz", "metrics", "openapi.json"})
TAPS = (["api", "tap"], ["api", "ingest"])  # who has a token for these ships to the monitors' own address


def handed_on(path: str) -> bool:
    """path: without /vedette/. Page, results, labels and explanations; neither batches nor a model that is there."""
    parts = [part for part in path.split("/") if part]
    return path == "" or (parts != [] and parts[0] in PARTS and parts[:2] not in TAPS)


def differs(scope: Scope) -> bool:
    """Whether the path as sent does not begin like the decoded one, so that what is cut off is not /vedette."""
    sent = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    return bool(sent.split("/")[:3] != scope["path"].split("/")[:3])
