"""Names of what Vedette adds to a bento."""

from __future__ import annotations

import os
import re
import secrets

PUBLIC = "/vedette"  # the monitors' API and page, beside the model
INTERNAL = "/internal"  # of a pool's service: where taps ship to; never on the model's port

SECRET = "VEDETTE_INTERNAL_SECRET"  # variable with the token that is asked for there


def internal_secret() -> str:
    """The token of /internal, the same in all processes of a bento.

    The process that serves imports the service before it starts the others, which get its variables: so the first one
    to ask makes the secret. Whoever runs the services apart sets the variable for all of them.
    """
    if not os.environ.get(SECRET):
        os.environ[SECRET] = secrets.token_urlsafe(32)
    return os.environ[SECRET]


def service_name(model: str, kind: str, pool: str) -> str:
    """A service's name: letters, digits and underscores, since circus makes a variable of it."""
    return re.sub(r"\W", "_", f"vedette_{model}_{kind}_{pool}")


def attribute(kind: str, pool: str) -> str:
    return re.sub(r"\W", "_", f"_vedette_{kind}_{pool}")
