"""What texts are made of: letters, digits, punctuation."""

from __future__ import annotations

from vedette.components.metrics._character_shares import CharacterShares
from vedette.components.metrics._words import CLASSES, class_of
from vedette_specs import Tags


class CharacterClasses(CharacterShares):
    """Per text column: the share of its characters that are letters, digits, space, punctuation, symbols, control
    characters or other (`character_classes`, keys ``column=letter``, ..., in [0, 1]), by Unicode general category.

    columns: text columns; all of them when None.  Missing texts are left out and counted in details.
    """

    NAME = "character_classes"
    SHOWN = CLASSES
    COUNTS = (*CLASSES, "missing")
    tags = Tags(modalities=("text",))

    @staticmethod
    def kind_of(character: str) -> str | None:
        return class_of(character)
