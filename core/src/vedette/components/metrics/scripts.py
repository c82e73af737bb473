"""Which scripts texts are written in."""

from __future__ import annotations

from vedette.components.metrics._character_shares import CharacterShares
from vedette.components.metrics._words import SCRIPTS, script_of
from vedette_specs import Tags


class Scripts(CharacterShares):
    """Per text column: the share of its letters in each script (`scripts`, keys ``column=latin``, ``column=han``, ...,
    in [0, 1]), by Unicode character names; scripts that are not listed are `other`.

    columns: text columns; all of them when None.  Missing texts are left out and counted in details. A script is not a
    language: it tells Russian from English, not French.
    """

    NAME = "scripts"
    SHOWN = SCRIPTS
    COUNTS = (*SCRIPTS, "missing")
    tags = Tags(modalities=("text",))

    @staticmethod
    def kind_of(character: str) -> str | None:
        return script_of(character)
