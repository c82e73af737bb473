"""What is wrong with a configuration that only shows when its bundle is built, with its place in the YAML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vedette.config.faults import ConfigError
from vedette.config.plan import ComponentSpec, MonitorSpec

if TYPE_CHECKING:
    from vedette.config.loading import Loaded

Keys = tuple[str | int, ...]


class BundleError(ValueError):
    """The bundle cannot be built or read. path: the keys of the configuration that it is about.

    all: this one and the others that were found with it.
    """

    def __init__(self, message: str, path: Keys = ()) -> None:
        super().__init__(message)
        self.path = path
        self.all: tuple[BundleError, ...] = (self,)


@contextmanager
def collecting(found: list[BundleError]) -> Iterator[None]:
    """Add what is raised, with all that came with it, to `found`, and go on."""
    try:
        yield
    except BundleError as error:
        found += error.all


def raise_all(found: Sequence[BundleError]) -> None:
    """The first, which knows the others."""
    if found:
        found[0].all = tuple(found)
        raise found[0]


@contextmanager
def placed(loaded: Loaded | None) -> Iterator[None]:
    """A BundleError as ConfigError, with the lines of all faults that it knows; as it is without the YAML's text."""
    try:
        yield
    except BundleError as error:
        if loaded is None:
            raise
        raise ConfigError(loaded.fault(one.path, str(one)) for one in error.all) from error


def place_of(spec: MonitorSpec, part: ComponentSpec) -> Keys:
    """Where the component of a monitor is named."""
    if spec.kind != "metric":
        return ("monitors", spec.name, "detect", "use")
    return ("monitors", spec.name, "metrics", spec.components.index(part), "use")
