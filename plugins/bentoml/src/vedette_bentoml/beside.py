"""What the services beside a watched one know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vedette.engine.bundle import Bundle
    from vedette.plugins import Registry


Load = Callable[[], "tuple[Registry, Bundle]"]


@dataclass(frozen=True)
class Beside:
    """load: the registry, and the bundle made with it; only where monitors work, since both are heavy."""

    watched: Any
    endpoint: str
    model: str
    load: Load
