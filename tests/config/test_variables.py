"""Variables: expanded in string values only, and never shown or stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vedette.config import expand_plan
from vedette.config.plan import Plan
from vedette.config.variables import MAX_FILE, VariableError, expand_text

Load = Callable[..., Plan]
Faults = Callable[..., list[str]]
ENV = {"A": "one", "EMPTY": "", "DOLLAR": "${A}"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${A}", "one"), ("x${A}y${A}", "xoneyone"), ("${A:-z}", "one"), ("${B:-z}", "z"), ("${EMPTY:-z}", "z"),
        ("${B:-}", ""), ("${EMPTY}", ""), ("${B:-a:-b}", "a:-b"), ("$A", "$A"), ("$", "$"), ("{A}", "{A}"),
        ("$${A}", "${A}"), ("$${A}${A}", "${A}one"), ("${DOLLAR}", "${A}"), ("${B:-http://h/p?q=1}", "http://h/p?q=1"),
    ],
)  # fmt: skip
def test_expansion(text: str, expanded: str) -> None:
    assert expand_text(text, ENV) == expanded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${B}", "the variable B is not set and has no default"),
        ("${EMPTI}", "the variable EMPTI is not set and has no default; did you mean 'EMPTY'?"),
        ("${}", "'${}' is no variable; allowed: ${NAME}, ${NAME:-default}, ${file:/path}"),
        ("${1A}", "is no variable"),
        ("${A-B}", "is no variable"),
        ("${A", "'${' is never closed"),
        ("${file:/nowhere/at/all}", "the file '/nowhere/at/all' cannot be read: No such file or directory"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(VariableError) as caught:
        expand_text(text, ENV)
    assert message in str(caught.value)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "big").write_text("x" * (MAX_FILE + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert expand_text("${file:secret}", {}, str(tmp_path)) == "s3cret"
    assert expand_text(f"${{file:{tmp_path}/secret}}", {}) == "s3cret"
    for name, message in (("big", "longer than"), ("binary", "not UTF-8")):
        with pytest.raises(VariableError, match=message):
            expand_text(f"${{file:{name}}}", {}, str(tmp_path))


BODY = """
monitors: {drift: {detect: ks, window: "${ROWS} rows"}}
sinks: {pager: {use: webhook, url: "${URL}"}}
server: {tokens: "${file:tokens}"}
store: "${STORE:-sqlite:///v.db}"
pools: {default: {replicas: "${N:-2}"}}
"""


def test_the_plan_has_the_values_and_its_source_has_not(load: Load, folder: Path) -> None:
    (folder / "tokens").write_text("t0ken-one\n# a comment\nt0ken-two read explain\n")
    plan = load(BODY, env={"ROWS": "500", "URL": "https://hooks.example/s3cret"})
    assert plan.monitors[0].windows[0].rows == 500
    assert plan.sinks[0].component.options["url"] == "https://hooks.example/s3cret"
    assert plan.server.tokens == {"t0ken-one": ("read", "write", "explain"), "t0ken-two": ("read", "explain")}
    for shown in (repr(plan.source), expand_plan(plan)):
        assert "s3cret" not in shown
        assert "t0ken" not in shown
        assert "${URL}" in shown
        assert "${file:tokens}" in shown


def test_missing_variables_are_faults_at_their_place(faults: Faults) -> None:
    assert faults(BODY, env={"ROWS": "500"}) == [
        "monitors.yaml:7:36: the variable URL is not set and has no default (${URL:-default})",
        faults(BODY, env={"ROWS": "500"})[1],
    ]


@pytest.mark.parametrize(
    ("body", "env"),
    [
        ("sinks: {s: {use: webhook, url: '${V}'}}", "h8s3cret-not-a-url"),
        ("monitors: {a: {detect: '${V}'}}", "h8s3cret"),
        ("monitors: {a: {detect: {use: ks, correction: '${V}'}}}", "h8s3cret"),
        ("monitors: {a: {detect: ks, window: '${V}'}}", "h8s3cret"),
        ("monitors: {a: {detect: ks, alert: '${V}'}}", "h8s3cret h8s3cret"),
        ("retention: '${V}'", "h8s3cret"),
        ("store: '${V}'", "h8s3cret"),
        ("privacy: {payloads: '${V}'}", "h8s3cret"),
        ("server: {port: '${V}'}", "h8s3cret"),
        ("server: {tokens: '${V}'}", "a h8s3cret"),
        ("schema: {positive: '${V}'}", "h8s3cret"),
        ("model: {name: '${V}'}", "h8s3cret/x"),
    ],
)
def test_faults_show_what_was_written_not_what_it_holds(body: str, env: str, faults: Faults) -> None:
    section = body.partition(":")[0]
    head = "version: 1\nmodel: {name: income}\nreference: reference.parquet\nschema: {label: income}\n"
    head = "".join(line + "\n" for line in head.splitlines() if not line.startswith(section))
    found = faults(body, env={"V": env}, head=head)
    assert found
    assert "h8s3cret" not in " ".join(found)


def test_keys_are_not_expanded(faults: Faults) -> None:
    found = faults("monitors: {'${A}': {detect: ks}}", env={"A": "drift"})
    assert "'${A}' is no name" in found[0]


def test_an_expanded_value_stays_text(load: Load, faults: Faults) -> None:
    assert load("sinks: {s: {use: webhook, url: 'http://h/${X}'}}", env={"X": "null"}).sinks[0].component.options == {
        "url": "http://h/null"
    }
    assert "true or false is expected" in faults("tap: {sync: '${X}'}", env={"X": "perhaps"})[0]
