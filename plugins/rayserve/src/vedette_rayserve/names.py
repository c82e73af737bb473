"""Names by which the model's application, the monitors' application and the command line find each other."""

from __future__ import annotations

CONTROL = "Control"
MONITORS_SUFFIX = "-vedette"


def monitors_app(model: str) -> str:
    """Name of the application that watches `model`."""
    return f"{model}{MONITORS_SUFFIX}"


def route(model: str) -> str:
    return f"/vedette/{model}"


def pool_deployment(pool: str) -> str:
    return f"Pool-{pool}"


def explainer_deployment(pool: str) -> str:
    return f"Explain-{pool}"
