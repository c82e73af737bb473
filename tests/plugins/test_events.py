"""Events and other calls to plugins: each implementation on its own."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from vedette.plugins import load_registry
from vedette_specs import Event, hookimpl
from vedette_specs.hooks import EVENT_HOOKS


def event(kind: Any = "alert", id: str = "e-1") -> Event:
    return Event(id, kind, "income", "drift", "", 1.0, {"state": "firing"})


class Listener:
    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    @hookimpl
    def vedette_result(self, event: Event) -> None:
        self.heard.append(("result", event.id))

    @hookimpl
    def vedette_alert(self, event: Event) -> None:
        self.heard.append(("alert", event.id))

    @hookimpl
    def vedette_explanation(self, event: Event) -> None:
        self.heard.append(("explanation", event.id))

    @hookimpl
    def vedette_component_failed(self, event: Event) -> None:
        self.heard.append(("component_failed", event.id))


class Raising:
    def __init__(self, error: Exception) -> None:
        self.error = error

    @hookimpl
    def vedette_alert(self, event: Event) -> None:
        raise self.error

    @hookimpl
    def vedette_load_reference(self, uri: str) -> Any:
        raise self.error


class Knowing:
    @hookimpl
    def vedette_load_reference(self, uri: str) -> Any:
        return {"x": [1.0]} if uri.startswith("acme://") else None


class Deaf:
    @hookimpl
    def vedette_alert(self) -> None:
        """An implementation may leave arguments out."""


@pytest.mark.parametrize("kind", sorted(EVENT_HOOKS))
def test_an_event_reaches_the_hook_of_its_kind(kind: str) -> None:
    listener = Listener()
    load_registry([], {"acme": listener, "deaf": Deaf()}).emit(event(kind))
    assert listener.heard == [(kind, "e-1")]


@pytest.mark.parametrize("order", [("raising", "listener"), ("listener", "raising")])
def test_one_that_raises_costs_the_others_nothing(order: tuple[str, str], caplog: pytest.LogCaptureFixture) -> None:
    listener = Listener()
    plugins: dict[str, object] = {"raising": Raising(RuntimeError("pager is off")), "listener": listener}
    registry = load_registry([], {name: plugins[name] for name in order})
    with caplog.at_level(logging.ERROR, "vedette.plugins"):
        registry.emit(event())
    assert listener.heard == [("alert", "e-1")]
    (failure,) = registry.failures
    assert (failure.name, failure.where, failure.error) == ("raising", "vedette_alert", "RuntimeError: pager is off")
    assert "plugin raising failed in vedette_alert: RuntimeError: pager is off" in caplog.text


def test_failures_are_counted_not_piled_up(caplog: pytest.LogCaptureFixture) -> None:
    registry = load_registry([], {"raising": Raising(ValueError("no"))})
    for i in range(50):
        registry.emit(event(id=f"e-{i}"))
    (failure,) = registry.failures
    assert failure.count == 50
    assert len(caplog.records) == 1


def test_interrupts_are_not_swallowed() -> None:
    class Interrupting:
        @hookimpl
        def vedette_alert(self, event: Event) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_registry([], {"acme": Interrupting()}).emit(event())


def test_the_first_plugin_that_knows_the_uri_loads_the_reference() -> None:
    registry = load_registry([], {"knowing": Knowing(), "raising": Raising(OSError("bucket"))})
    assert registry.load_reference("acme://rows") == {"x": [1.0]}
    assert [f.where for f in registry.failures] == ["vedette_load_reference"]
    assert load_registry([], {"knowing": Knowing()}).load_reference("s3://rows") is None


def test_a_reference_that_only_raises_is_an_error() -> None:
    registry = load_registry([], {"knowing": Knowing(), "raising": Raising(OSError("bucket is closed"))})
    with pytest.raises(OSError, match="bucket is closed"):
        registry.load_reference("s3://rows")


def test_emitting_from_many_threads_loses_nothing() -> None:
    listener = Listener()
    registry = load_registry([], {"acme": listener, "raising": Raising(ValueError("no"))})
    threads = [
        threading.Thread(target=lambda k=k: [registry.emit(event(id=f"{k}-{i}")) for i in range(100)]) for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(listener.heard)) == 400
    assert registry.failures[0].count == 400
