"""What the endpoints of one application share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import anyio
from fastapi import Depends, Request

from vedette.engine.service import Service
from vedette.engine.tap.transport import Applies
from vedette.http.tokens import Tokens

MAX_INGESTS = 16  # messages committed at a time: those beyond wait without a thread
MAX_EXPLAINS = 4  # explanations at a time: those beyond are asked to come back


@dataclass(frozen=True)
class State:
    """workers: pool -> where its batches go; None where another process takes them.  model: a ServedModel."""

    service: Service
    tokens: Tokens
    workers: Mapping[str, Applies] | None = None
    model: Any = None
    ingests: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MAX_INGESTS))
    explains: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(MAX_EXPLAINS))

    @property
    def max_body(self) -> int:
        return self.service.plan.server.max_body


def state_of(request: Request) -> State:
    """The state of the application that serves this request."""
    state: State = request.app.state.vedette
    return state


Shared = Annotated[State, Depends(state_of)]
