"""A replica's view of the monitors: the bundle is fetched from the store, since a cluster has no common file."""

from __future__ import annotations

import os
from dataclasses import dataclass

from vedette.config.variables import expand_text
from vedette.engine.bundle import Bundle
from vedette.plugins import Registry, get_registry
from vedette.store import series
from vedette.store.database import Store


class NoBundle(LookupError):
    """The store has no bundle of this digest."""


@dataclass(frozen=True)
class Opened:
    store: Store
    bundle: Bundle
    registry: Registry


def open_bundle(url: str, digest: str) -> Opened:
    """Store and bundle. url: as in YAML; its variables are those of this process.

    Raises NoBundle, StoreError (without the URL's password), or what is wrong with the bundle.
    """
    store = Store(expand_text(url, os.environ))
    registry = get_registry()
    with store.read() as connection:
        body = series.get_bundle(connection, digest)
    if body is None:
        raise NoBundle(f"store {store.shown_url} has no bundle {digest}: `vedette rayserve instrument` puts it there")
    return Opened(store, Bundle.from_bytes(body, registry), registry)
