"""GET /: the monitors of a model at a glance, without a script or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse

from vedette.engine.service import Service
from vedette.http import page_parts as parts
from vedette.http.latest import Result, latest_results
from vedette.http.markup import Markup, join, tag
from vedette.http.page_style import STYLE
from vedette.http.state import Shared
from vedette.http.tokens import needs

HISTORY = 60  # windows that a line shows
MAX_CHANGES = 10
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
LINKS = {
    "monitors": "api/monitors", "results": "api/results", "alerts": "api/alerts", "status": "api/status",
    "metrics": "metrics", "OpenAPI": "openapi.json",
}  # fmt: skip

router = APIRouter()


@router.get("/", response_class=HTMLResponse, dependencies=[Depends(needs("read"))], tags=["page"])
def page(
    request: Request,
    state: Shared,
    refresh: Annotated[int | None, Query(ge=2, le=3600, description="Seconds between reloads")] = None,
) -> HTMLResponse:
    """The page for people."""
    base = str(request.scope.get("root_path", "")).rstrip("/") + "/"
    return HTMLResponse(render(state.service, base, refresh), headers=HEADERS)


def render(service: Service, base: str, refresh: int | None = None) -> str:
    """base: where the application is mounted, as in /vedette/income/."""
    status = service.status()
    monitors = service.monitors()
    latest = latest_results(service)
    live = service.alerts(live=True)
    body = [
        _head(service.model, status, base, refresh),
        tag(
            "main",
            _alerts(live, service.alerts(limit=MAX_CHANGES), status["time"]),
            tag("h2", "Monitors"),
            _monitors(service, monitors, latest, live, status["time"]),
            tag(
                "div",
                tag("div", tag("h2", "Replicas"), parts.replicas(status)),
                tag("div", tag("h2", "Counters"), parts.counters(status["counters"])),
                class_="two",
            ),
        ),
        tag("footer", f"Bundle {status['bundle'][:19]} · {parts.when(status['time'])} UTC"),
    ]
    return _document(f"{service.model} · Vedette", body, refresh)


def _document(title: str, body: Sequence[Markup], refresh: int | None) -> str:
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="refresh", content=refresh) if refresh else None,
        tag("title", title),
        tag("style", Markup(STYLE)),
    ]
    return "<!doctype html>" + tag("html", tag("head", *head), tag("body", *body), lang="en")


def _head(model: str, status: Mapping[str, Any], base: str, refresh: int | None) -> Markup:
    replicas = len(status["replicas"])
    about = f"{replicas} replica{'' if replicas == 1 else 's'}"
    links = [tag("a", name, href=base + path) for name, path in LINKS.items()]
    again = ("stop reloading", base) if refresh else ("reload every 10 s", f"{base}?refresh=10")
    return tag(
        "header",
        tag("h1", model, tag("small", about)),
        tag("nav", *links, tag("a", again[0], href=again[1])),
    )


def _alerts(live: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]], now: float) -> Markup:
    ordered = sorted(live, key=lambda body: body["state"] != "firing")
    boxes = [parts.alert_box(body, now) for body in ordered[: parts.MAX_ROWS]]
    rest = len(ordered) - len(boxes)
    rows = ((parts.when(b["since"]), b["rule"], b["segment"], b["state"]) for b in reversed(changes))
    past = [tag("tr", *(tag("td", cell) for cell in row)) for row in rows]
    table = tag("div", tag("table", *past), class_="scroll")
    return join(
        [
            tag("h2", "Alerts"),
            *(boxes or [tag("div", "Nothing is firing.", class_="calm")]),
            tag("div", f"and {rest} more", class_="soft") if rest else None,
            tag("details", tag("summary", "Last changes"), table) if past else None,
        ]
    )


def _monitors(
    service: Service, monitors: Sequence[Mapping[str, Any]], latest: Sequence[Result], live: Any, now: float
) -> Markup:
    firing = {body["monitor"] for body in live if body["state"] == "firing"}
    cards = []
    for monitor in monitors:
        name = monitor["name"]
        mine = [result for result in latest if result["monitor"] == name]
        shown = mine[0] if mine else None
        history = service.results(name, shown["window"], shown["segment"], limit=HISTORY) if shown else []
        cards.append(parts.monitor_card(monitor, mine, list(history), name in firing, now))
    return tag("div", *cards, class_="grid") if cards else tag("div", "No monitors are declared.", class_="calm")
