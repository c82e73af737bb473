"""What a check of a platform is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.testing.platforms.bench import Bench


@dataclass(frozen=True)
class PlatformCheck:
    """Call it with a bench; raises CheckFailed, CheckSkipped (NotSupported), or whatever the platform raises."""

    name: str
    function: Callable[[Bench], None]

    @property
    def about(self) -> str:
        """What it holds the platform to, in a line."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]

    def __call__(self, bench: Bench) -> None:
        self.function(bench)

    def __repr__(self) -> str:
        return self.name
