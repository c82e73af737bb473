"""Plugins: loading, isolation, and the registry of components."""

from vedette.plugins.calls import HookCalls, PluginFailure
from vedette.plugins.errors import (
    BrokenComponent,
    HookError,
    MissingExtra,
    OptionError,
    OptionFault,
    PluginError,
    UnknownComponent,
    did_you_mean,
)
from vedette.plugins.loader import get_registry, load_registry
from vedette.plugins.options import REQUIRED, Option
from vedette.plugins.registry import Registered, Registry

__all__ = [
    "REQUIRED",
    "BrokenComponent",
    "HookCalls",
    "HookError",
    "MissingExtra",
    "Option",
    "OptionError",
    "OptionFault",
    "PluginError",
    "PluginFailure",
    "Registered",
    "Registry",
    "UnknownComponent",
    "did_you_mean",
    "get_registry",
    "load_registry",
]
