"""Which explainer is meant, and what is said where there is none of that name, or none at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.engine.traffic import bundle_of, metric, monitor, plan_of, tumbling

from vedette.config import load_text
from vedette.config.plan import ComponentSpec, ExplainerSpec
from vedette.engine.explain.explaining import NO_EXPLAINER, CannotExplain, Explaining

KERNEL = ComponentSpec("explainer", "kernel_shap")


def explaining(*names: str) -> Explaining:
    plan = plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)]))
    return Explaining(bundle_of(replace(plan, explainers=tuple(ExplainerSpec(name, KERNEL) for name in names))))


@pytest.mark.parametrize(("asked", "found"), [(None, "why"), ("why", "why"), ("again", "again")])
def test_the_named_explainer_or_the_first(asked: str | None, found: str) -> None:
    assert explaining("why", "again").explainer(asked).name == found


@pytest.mark.parametrize(
    ("declared", "asked", "said"),
    [
        (("why", "again"), "who", "explainer: 'who' is not declared; there are: why, again"),
        ((), None, NO_EXPLAINER),
        ((), "why", NO_EXPLAINER),
    ],
)
def test_what_is_said_where_there_is_none(declared: tuple[str, ...], asked: str | None, said: str) -> None:
    with pytest.raises(CannotExplain) as caught:
        explaining(*declared).explainer(asked)
    assert str(caught.value) == said


def test_the_yaml_that_is_shown_declares_an_explainer() -> None:
    assert "none is declared" in NO_EXPLAINER
    shown = NO_EXPLAINER[NO_EXPLAINER.index("explainers:") :]
    schema = "schema: {task: binary, classes: [a, b], features: {x: numeric}}"
    head = f"version: 1\nmodel: {{name: m}}\nreference: rows.csv\n{schema}\nmonitors: {{m: {{metrics: [moments]}}}}\n"
    given = bundle_of(plan_of(monitor("stats", metric("moments"), windows=[tumbling(10)]))).plan.schema
    (spec,) = load_text(head + shown, env={}, schema=given).explainers
    assert (spec.name, spec.component.use) == ("why", "kernel_shap")
