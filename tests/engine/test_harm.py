"""harmful_shift in the engine: a lifetime window of labelled rows, and its alert."""

from __future__ import annotations

from tests.engine.harness import Harness
from tests.engine.traffic import AlertSpec, LabelsSpec, lifetime, metric, monitor, plan_of


def test_harm_is_alarming_and_none_is_not() -> None:
    rule = AlertSpec("harm", "harmful_alarm", "harm")
    window = lifetime(every=10.0)
    spec = monitor("harm", metric("harmful_shift"), windows=[window], alert=rule)
    engine = Harness(plan_of(spec, labels=LabelsSpec(within=1000.0)))

    def go(wrong: bool) -> None:
        keys = engine.send(40)
        answers = engine.worker.pending[-1].batch.prediction
        assert answers is not None
        said = [("no" if a == "yes" else "yes") if wrong else a for a in answers.to_list()]
        engine.label(dict(zip(keys, [str(a) for a in said], strict=True)))
        engine.time(10.0)
        engine.reduce(engine.store.time)

    for _ in range(5):
        go(wrong=False)
    assert engine.alerts() == []
    last = engine.results("harm")[-1]
    assert (last.n, last.body["values"]["harmful_alarm"]) == (200, 0.0)
    assert last.body["details"]["harmful_shift"]["reference_loss"] == 0.0
    for _ in range(5):
        go(wrong=True)
    assert [a["state"] for a in engine.alerts()] == ["firing"]
    assert engine.results("harm")[-1].body["values"]["harmful_e_value"] > 20.0
