"""GET /: a page that shows all, loads nothing, and lets nothing through."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.http.sites import Site, serving

from vedette.http.markup import Markup, join, tag

VOID = {"meta", "br", "polyline"}


class Page(HTMLParser):
    """Checks that tags are balanced, and collects text, tags and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def test_it_shows_monitors_alerts_results_and_counters(lively: Site) -> None:
    reply = lively.client.get("/")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(reply.text)
    for text in (
        "income",
        "performance",
        "quality",
        "drift",
        "outliers",
        "firing",
        "accuracy",
        "captured",
        "region=north",
    ):
        assert text in page.text


def test_a_segment_s_name_is_text_and_nothing_else(lively: Site) -> None:
    reply = lively.client.get("/")
    page = Page(reply.text)
    assert "region=<script>alert(1)</script>" in page.text
    assert "<script" not in reply.text
    assert "script" not in page.tags
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_nothing_comes_from_elsewhere(lively: Site) -> None:
    page = Page(lively.client.get("/").text)
    assert not {"img", "script", "link", "iframe"} & set(page.tags)
    assert page.links
    assert all(link.startswith("/") and not link.startswith("//") for link in page.links)


def test_it_reloads_only_when_asked(lively: Site) -> None:
    assert "http-equiv" not in lively.client.get("/").text
    assert '<meta http-equiv="refresh" content="10">' in lively.client.get("/?refresh=10").text
    assert lively.client.get("/?refresh=0").status_code == 422


def test_it_works_where_it_is_mounted(lively: Site) -> None:
    mounted = Starlette(routes=[Mount("/vedette/income", lively.embedded.app())])
    with serving(mounted) as url, httpx.Client(base_url=url, trust_env=False, follow_redirects=True) as client:
        links = Page(client.get("/vedette/income").text).links
        assert "/vedette/income/api/monitors" in links
        for link in links:
            assert client.get(link).status_code == 200, link


@pytest.mark.parametrize("evil", ["<script>", "'\"><img src=x onerror=alert(1)>", "&lt;", "\ud800", "a\x00b"])
def test_markup_escapes_text_and_attributes(evil: str) -> None:
    made = tag("p", evil, title=evil)
    made.encode()
    assert "<script" not in made
    assert "<img" not in made
    assert made.count('"') == 2
    assert evil.encode("utf-8", "replace").decode() in Page(made).text


def test_markup_keeps_what_is_markup() -> None:
    assert tag("b", tag("i", "x"), None, 3, class_="c", hidden=None) == '<b class="c"><i>x</i>3</b>'
    assert join(["<", Markup("<br>")]) == "&lt;<br>"
