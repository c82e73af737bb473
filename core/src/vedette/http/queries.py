"""Query parameters that a route does not have: told, since an answer without them would be to another question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request

from vedette.config.faults import did_you_mean
from vedette.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.dependencies.models import Dependant

# page, metrics and models are asked by browsers, scrapers and clients that add parameters of their own
STRICT = "/api/"


def check_query(request: Request) -> None:
    """Raises HttpError 422 for the first parameter that the route of the API, and what it depends on, does not know."""
    route = request.scope["route"]
    if not request.query_params or not route.path.startswith(STRICT):
        return
    known = set(_declared(route.dependant))
    for name in request.query_params:
        if name not in known:
            allowed = did_you_mean(name[:80], known) or "; this takes none"
            raise HttpError(422, f"{name[:80]}: there is no such query parameter{allowed}", name[:80])


def _declared(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for part in dependant.dependencies:
        yield from _declared(part)
