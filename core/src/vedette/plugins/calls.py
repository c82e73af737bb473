"""Calling hooks one implementation at a time, so that a plugin that raises costs no other plugin anything."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pluggy

from vedette_specs.hooks import EVENT_HOOKS, FoundModel
from vedette_specs.results import Event

log = logging.getLogger("vedette.plugins")


@dataclass(frozen=True)
class PluginFailure:
    """What a broken plugin did. where: `load`, or the hook that raised. count: how often it did so."""

    name: str
    distribution: str | None
    version: str | None
    where: str
    error: str
    traceback: str
    count: int = 1

    @classmethod
    def of(
        cls, name: str, error: Exception, where: str, distribution: str | None = None, version: str | None = None
    ) -> PluginFailure:
        trace = "".join(traceback.format_exception(error))
        return cls(name, distribution, version, where, f"{type(error).__name__}: {error}", trace)


class HookCalls:
    """Isolated calls of the implementations that a pluggy manager holds; failures are kept and logged."""

    def __init__(
        self, manager: pluggy.PluginManager, origins: Mapping[str, tuple[str | None, str | None]] | None = None
    ) -> None:
        """origins: plugin name -> distribution and version, for the record."""
        self._manager = manager
        self._origins = origins or {}
        self._lock = threading.Lock()
        self._failures: dict[tuple[str, str], PluginFailure] = {}

    @property
    def failures(self) -> tuple[PluginFailure, ...]:
        with self._lock:
            return tuple(self._failures.values())

    def fail(self, plugin: str, error: Exception, where: str) -> None:
        """Record what a plugin raised."""
        self.record(PluginFailure.of(plugin, error, where, *self._origins.get(plugin, (None, None))))

    def record(self, failure: PluginFailure) -> None:
        """Keep the failure: one entry per plugin and hook, so that an event storm does not fill the memory."""
        key = (failure.name, failure.where)
        with self._lock:
            before = self._failures.get(key)
            self._failures[key] = replace(failure, count=before.count + 1) if before else failure
        if before is None:
            log.error("plugin %s failed in %s: %s", failure.name, failure.where, failure.error)
        else:
            log.debug("plugin %s failed again in %s: %s", failure.name, failure.where, failure.error)

    def each(self, hook: str, errors: list[Exception] | None = None, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Yield (plugin name, answer) of every implementation that does not raise; `errors` collects what is raised."""
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            try:
                given = [arguments[name] for name in implementation.argnames]
                answer = implementation.function(*given)
            except Exception as error:  # a stranger's code: recorded
                self.fail(implementation.plugin_name, error, hook)
                if errors is not None:
                    errors.append(error)
            else:
                yield implementation.plugin_name, answer

    def listens(self) -> bool:
        """Whether some plugin listens to events."""
        return any(getattr(self._manager.hook, hook).get_hookimpls() for hook in EVENT_HOOKS.values())

    def emit(self, event: Event) -> None:
        """Give an event to the plugins that listen to its kind. Never raises for a plugin's fault."""
        for _ in self.each(EVENT_HOOKS[event.kind], event=event):
            pass

    def load_reference(self, uri: str) -> Any:
        """Reference rows from a plugin that knows the URI, None where none does; raises what that plugin raises."""
        return self._first("vedette_load_reference", uri)

    def load_model(self, uri: str) -> FoundModel | None:
        """The model that a plugin finds under the URI, None where none knows it; raises what that plugin raises."""
        found: FoundModel | None = self._first("vedette_load_model", uri)
        return found

    def _first(self, hook: str, uri: str) -> Any:
        """The first answer that is not None; None where no plugin knows the URI. Where there is no answer because
        a plugin raised, its error is raised: what is configured and cannot be read is no detail."""
        errors: list[Exception] = []
        answers = (answer for _, answer in self.each(hook, errors, uri=uri))
        found = next((answer for answer in answers if answer is not None), None)
        if found is None and errors:
            raise errors[0]
        return found
