"""Monitors that run elsewhere: is there anybody?"""

from __future__ import annotations

import logging

logger = logging.getLogger("vedette.mlflow")


class WrongMonitors(ValueError):
    """What answers at --monitors-url takes no batches."""


def check_url(url: str, token: str | None) -> None:
    """Raises WrongMonitors for an address that refuses. One that does not answer may come up later: a warning."""
    from vedette.engine.tap.transport import HttpTransport, TransportError

    try:
        transport = HttpTransport(url, token)
    except ValueError as error:
        raise WrongMonitors(f"--monitors-url: {error}") from error
    try:
        transport.describe()
    except TransportError as error:
        if " answered " in str(error) or "gave no plan" in str(error):
            raise WrongMonitors(f"--monitors-url: {error}") from error
        logger.warning("--monitors-url: nobody answers yet (%s); rows wait in the taps", error)
    finally:
        transport.close()
