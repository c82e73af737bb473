"""The name that BentoML's configuration gives: `vedette_bentoml.monitor.VedetteMonitor` (see `recording`).

BentoML imports it while it serves the first request, and looks into `sys.modules` for it: a request that is served at
the same time meets a module that is half imported. Without what stands first here, that request would fail.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """What is not there yet, once the thread that imports this module has done so."""
    from importlib import import_module

    import_module(__name__)  # waits for that thread; returns at once in that thread, and where all is imported
    if name not in globals():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals()[name]


from vedette_bentoml.recording import VedetteMonitor  # noqa: E402 - see above

__all__ = ["VedetteMonitor"]
