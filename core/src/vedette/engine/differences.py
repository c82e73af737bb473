"""What a deploy changes of a monitor, in words: why it restarts, or what becomes different while its state is kept."""

from __future__ import annotations

from dataclasses import replace

from vedette.config.plan import AlertSpec, MonitorSpec, WindowSpec
from vedette.config.values import format_duration

UNKNOWN = "its component, options, input, tick, segments, schema or reference changed"


def why_restarted(old: MonitorSpec | None, new: MonitorSpec) -> str:
    """What differs of that which a monitor's state depends on (`config.plan.fingerprint`)."""
    if old is None:
        return UNKNOWN
    found = [
        what
        for what, differs in {
            "its components or their options": old.components != new.components,
            "its input": old.of != new.of,
            "its segments": old.by != new.by,
            "its preprocessors": old.preprocess != new.preprocess,
        }.items()
        if differs
    ]
    if old.tick != new.tick:
        found.append(f"the tick of its windows ({format_duration(old.tick)} to {format_duration(new.tick)})")
    return f"{' and '.join(found) or 'the schema, the reference, a component or the model version'} changed"


def what_changes(old: MonitorSpec | None, new: MonitorSpec) -> str:
    """What a monitor that keeps its state does otherwise from now on."""
    if old is None:
        return "unchanged"
    said = [*_alert(old.alert, new.alert), *_windows(old.windows, new.windows)]
    if old.explain != new.explain:
        said.append("explanations changed")
    if old.fdr != new.fdr:
        said.append(f"fdr {old.fdr:g} to {new.fdr:g}, for rows to come")
    return "; ".join(said) or "unchanged"


def _alert(old: AlertSpec | None, new: AlertSpec | None) -> list[str]:
    if old == new:
        return []
    if old is None or new is None:
        return ["alert removed" if new is None else "alert added"]
    if replace(old, severity=new.severity) == new:
        return ["alert severity changed"]
    return ["alert rule changed"]


def _windows(old: tuple[WindowSpec, ...], new: tuple[WindowSpec, ...]) -> list[str]:
    """Ticks are kept whatever the windows are: a new one holds what there is of them."""
    before, after = {w.name: w for w in old}, {w.name: w for w in new}
    return [
        *(f"window {name!r} ends" for name in before if name not in after),
        *(f"window {name!r} begins, with the rows that are kept" for name in after if name not in before),
        *(f"window {name!r} changed" for name in after if name in before and before[name] != after[name]),
    ]
