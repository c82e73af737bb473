"""Names of what Vedette adds to a bento."""

from __future__ import annotations

import re

PUBLIC = "/vedette"  # the monitors' API and page, beside the model
INTERNAL = "/internal"  # of a pool's service: where taps ship to; never on the model's port


def service_name(model: str, kind: str, pool: str) -> str:
    """A service's name: letters, digits and underscores, since circus makes a variable of it."""
    return re.sub(r"\W", "_", f"vedette_{model}_{kind}_{pool}")


def attribute(kind: str, pool: str) -> str:
    return re.sub(r"\W", "_", f"_vedette_{kind}_{pool}")
