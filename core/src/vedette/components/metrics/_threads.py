"""How many threads numerical libraries may use."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """While it is entered, numpy and scikit-learn work on one thread: on the busy cores of a server, several that wait
    for each other in loops have been measured to take twenty times as long."""
    found: AbstractContextManager[Any] = _pools().limit(limits=1)
    return found


@cache
def _pools() -> Any:
    import sklearn.ensemble  # noqa: F401  whose library of threads must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
