"""What can go wrong between a name in the configuration and a component in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any


class PluginError(Exception):
    """Any fault of finding, loading or making a component."""


class UnknownComponent(PluginError, LookupError):
    """No component has this name, or several have it."""


class MissingExtra(PluginError, ImportError):
    """The component exists, but a package that it needs is not installed."""


class BrokenComponent(PluginError):
    """The component's module or class cannot be loaded, or is not of its kind."""


class HookError(PluginError):
    """A plugin implements a hook that does not exist, or registers what the hook does not take."""


@dataclass(frozen=True)
class OptionFault:
    """One option's fault; `option` is "" where the fault is of several options together."""

    option: str
    value: Any
    message: str

    def __str__(self) -> str:
        return f"option {self.option!r}: {self.message}" if self.option else self.message


class OptionError(PluginError, ValueError):
    """Options that a component does not take; `faults` has all of them."""

    def __init__(self, component: str, faults: Sequence[OptionFault]) -> None:
        self.component = component
        self.faults = tuple(faults)
        super().__init__(f"{component}: " + "; ".join(str(fault) for fault in self.faults))


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`; did you mean 'ks'?`, or nothing where no known name is close."""
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
