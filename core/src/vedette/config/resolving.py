"""What every step of resolution shares: the document, its places, the registry, the schema, and the faults so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from vedette.config.faults import Fault, Note, Place, did_you_mean
from vedette.config.fields import check_name
from vedette.config.models import Document
from vedette.config.tree import Node, Path
from vedette_specs import Batch, Schema
from vedette_specs.hooks import ComponentKind, FoundModel


class Found(Protocol):
    """A registered component, as far as the configuration needs it."""

    @property
    def kind(self) -> ComponentKind: ...
    @property
    def name(self) -> str: ...


class Catalogue(Protocol):
    """The part of the registry that the configuration asks."""

    def find(self, name: str, kinds: Sequence[ComponentKind] | None = None) -> Found: ...
    def load(self, name: str, kinds: Sequence[ComponentKind] | None = None) -> type: ...
    def options(self, name: str, kinds: Sequence[ComponentKind] | None = None) -> Mapping[str, Any]: ...
    def validate(
        self, name: str, options: Mapping[str, Any], kinds: Sequence[ComponentKind] | None = None
    ) -> dict[str, Any]: ...
    def build(self, name: str, options: Mapping[str, Any], kinds: Sequence[ComponentKind] | None = None) -> Any: ...
    def load_reference(self, uri: str) -> Any: ...
    def load_model(self, uri: str) -> FoundModel | None: ...


@dataclass
class Context:
    """reference: its rows, None where they were not read.

    schema: None where it is at fault itself, so that nothing is judged by it.
    """

    tree: Node
    document: Document
    registry: Catalogue
    faults: list[Fault] = field(default_factory=list)
    schema: Schema | None = None
    has_reference: bool = False
    reference: Batch | None = None
    auto_names: tuple[str, ...] = ()
    notes: list[Note] = field(default_factory=list)

    def place(self, path: Path, *, key: bool = False) -> Place:
        return self.tree.place_of(path, key=key)

    def fault(self, path: Path, message: str, *, key: bool = False) -> None:
        """Record what is wrong at `path`; what came out of variables is shown as it was written."""
        self.fault_at(self.place(path, key=key), hide(message, self.tree.at(path)))

    def fault_at(self, place: Place, message: str) -> None:
        self.faults.append(Fault.at(place, message))

    def note(self, path: Path, message: str) -> None:
        """Record what people should know of `path`, though it is not wrong."""
        self.notes.append(Note.at(self.place(path), hide(message, self.tree.at(path))))

    def trial(self) -> Context:
        """A copy with faults and notes of its own, to find out whether something would do."""
        return replace(self, faults=[], notes=[])

    def written(self, section: str) -> list[str]:
        """The names in a section, also of entries that are at fault."""
        node = self.tree.child(section)
        return list(node.value) if node is not None and isinstance(node.value, Mapping) else []

    @property
    def monitor_names(self) -> list[str]:
        """Declared monitors, also those at fault, or the automatic ones."""
        return [*self.written("monitors"), *self.auto_names]

    def check_names(self, section: str) -> None:
        for name in self.written(section):
            try:
                check_name(name)
            except ValueError as error:
                self.fault((section, name), str(error), key=True)

    def known(self, path: Path, name: str, section: str, what: str) -> bool:
        """Whether `name` stands in a section; a fault with what there is where it does not."""
        names = self.written(section)
        if name in names:
            return True
        hint = did_you_mean(name, names) if names else f"; there is no {section!r} section"
        self.fault(path, f"there is no {what} {name!r}{hint}")
        return False


def hide(message: str, node: Node) -> str:
    """`message` with the values of variables below `node` as they were written."""
    for value, raw in sorted(node.secrets(), key=lambda pair: -len(pair[0])):
        message = message.replace(repr(value), repr(raw))
        if len(value) >= 4:
            message = message.replace(value, raw)
    return message
