"""Rules about silence."""

from __future__ import annotations

from tests.engine.harness import Harness
from tests.engine.traffic import metric, monitor, plan_of, tumbling

from vedette.config.plan import AlertSpec


def test_a_rule_that_reads_no_value_is_broken_by_any_result() -> None:
    stats = monitor("stats", metric("moments"), windows=[tumbling(10)])
    engine = Harness(plan_of(stats, alerts=(AlertSpec("silent", "no_data(10m)"),)))
    engine.send(40)
    engine.settle(60.0)
    assert len(engine.results("stats")) > 0
    assert engine.alerts() == []
    engine.settle(1000.0)
    assert engine.live() == [("silent", "firing")]
