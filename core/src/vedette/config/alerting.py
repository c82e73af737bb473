"""Alerts: a monitor's own rule, and rules over several monitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from vedette.config.change_rules import budget_of, check_budget, check_section, joint_windows, own_windows, series_fault
from vedette.config.faults import Place, did_you_mean
from vedette.config.models import RuleSection
from vedette.config.plan import AlertSpec, MonitorSpec, WindowSpec
from vedette.config.resolving import Context
from vedette.config.rules import Rule, RuleError, parse
from vedette.config.tree import Path
from vedette_specs.hooks import ComponentKind

TICKS = "tick"  # the window name of results that belong to one tick
DEFAULT_RULES: dict[ComponentKind, str] = {"drift": "drifted", "change": "alarm"}


def monitor_alert(
    ctx: Context, path: Path, monitor: str, kind: ComponentKind, said: RuleSection | Literal[False] | None,
    windows: Sequence[WindowSpec] = (),
) -> AlertSpec | None:  # fmt: skip
    """A monitor's alert: as said, else `drifted` for drift, `alarm` for change, none for metrics and outliers."""
    if said is False or (said is None and kind not in DEFAULT_RULES):
        return None
    section = said or RuleSection()
    when = section.when if section.when is not None else DEFAULT_RULES.get(kind)
    if when is None:
        ctx.fault(path, f'an alert of a {kind} needs a rule: when: "..."', key=True)
        return None
    if section.when is not None and not check_own_rule(ctx, path, section):
        return None
    if not check_section(ctx, path, section):
        return None
    series = own_windows(windows)
    if not check_budget(ctx, path, section, series):
        return None
    return _spec(monitor, when, monitor, section, {one[0].name if one else TICKS: one for one in series})


def check_own_rule(ctx: Context, path: Path, section: RuleSection) -> bool:
    """Whether a monitor's own rule is one, and can hold: it is judged when there is a result, never in silence."""
    path = (*path, "when")
    rule = parse_rule(ctx, path, section.when or "", section.change is not None)
    if rule is not None and rule.hears_silence:
        message = (
            "rule: no_data(...) never holds here: a monitor's own rule is judged when it has a result; "
            "silence belongs under the top-level 'alerts:'"
        )
        ctx.fault_at(_word_place(ctx, path, "no_data"), _unless_hidden(ctx, path, message))
        return False
    return rule is not None


def joint_alerts(ctx: Context, monitors: Sequence[MonitorSpec] = ()) -> tuple[AlertSpec, ...]:
    """The rules of the section `alerts`, whose names are `monitor.value`."""
    found = []
    for name, section in ctx.document.alerts.items():
        path: Path = ("alerts", name)
        if section.when is None:
            ctx.fault(path, "the key 'when' is missing", key=True)
            continue
        rule = parse_rule(ctx, (*path, "when"), section.when, section.change is not None)
        fits = check_section(ctx, path, section)
        if rule is None or not _monitors_known(ctx, (*path, "when"), rule) or not fits:
            continue
        series = joint_windows(section.when, monitors)
        if check_budget(ctx, path, section, series):
            found.append(_spec(name, section.when, "", section, {"": series[0]}))
    return tuple(found)


def _spec(
    name: str, when: str, monitor: str, section: RuleSection, series: Mapping[str, Sequence[WindowSpec]]
) -> AlertSpec:
    hold, keep = section.hold, section.keep_firing_for
    lengths = {} if section.change is None else {k: budget_of(section).run_length(v) for k, v in series.items()}
    return AlertSpec(
        name, when, monitor, section.severity, hold.count, hold.seconds, keep.count, keep.seconds,
        section.change or "", lengths,
    )  # fmt: skip


def _monitors_known(ctx: Context, path: Path, rule: Rule) -> bool:
    known = set(ctx.monitor_names)
    segmented = {name for name, section in (ctx.document.monitors or {}).items() if section.by}
    wrong = {names: problem for names in sorted(rule.names) if (problem := _unknown(names, known, segmented))}
    for names, problem in wrong.items():
        ctx.fault_at(_word_place(ctx, path, ".".join(names)), _unless_hidden(ctx, path, problem))
    return not wrong


def _unknown(names: tuple[str, ...], known: set[str], segmented: set[str]) -> str | None:
    """What is wrong with a name that should be `monitor.value`. segmented: monitors with results by segment only."""
    first = names[0]
    if first in segmented:
        return (
            f"{first!r} has a result for each segment ('by') and none over all rows, so a rule here can never know it: "
            f"put the rule on the monitor ('alert'), which judges every segment, or name a monitor without 'by'"
        )
    if first in known:
        return None if len(names) > 1 else f"{first!r} is a monitor: name one of its values, as in {first}.drifted"
    form = "; names are monitor.value, as in drift.drifted"
    return f"there is no monitor {first!r}{form if len(names) == 1 else did_you_mean(first, known)}"


def parse_rule(ctx: Context, path: Path, text: str, changes: bool = False) -> Rule | None:
    """The rule, or None after a fault whose caret stands in the rule. changes: it is a number that may change."""
    try:
        rule = parse(text)
        if changes and (problem := series_fault(rule)):
            ctx.fault_at(_rule_place(ctx, path, 1), _unless_hidden(ctx, path, problem))
            return None
        return rule
    except RuleError as error:
        message = _unless_hidden(ctx, path, f"rule: {error}{_torn(ctx, path, text)}")
        ctx.fault_at(_rule_place(ctx, path, error.column), message)
        return None


def _unless_hidden(ctx: Context, path: Path, message: str) -> str:
    """A rule out of variables is not quoted: its words may be a secret's."""
    raw = ctx.tree.at(path).raw
    return message if raw is None else f"rule: what {raw!r} stands for is no rule over what there is"


def _rule_place(ctx: Context, path: Path, column: int) -> Place:
    """Where column `column` of a rule stands in the file, if it stands there letter by letter."""
    node = ctx.tree.at(path)
    place, text = node.place, node.value
    if node.raw is None and isinstance(text, str):
        start = place.column - 1 + (0 if node.plain else 1)
        if place.source.line(place.line)[start:].startswith(text):
            return Place(place.source, place.line, start + column)
    return place


def _word_place(ctx: Context, path: Path, word: str) -> Place:
    text = ctx.tree.at(path).value
    found = text.find(word) if isinstance(text, str) else -1
    return _rule_place(ctx, path, found + 1) if found >= 0 else ctx.place(path)


def _torn(ctx: Context, path: Path, text: str) -> str:
    """Advice where YAML ended an unquoted rule before its writer did."""
    node = ctx.tree.at(path)
    line = node.place.source.line(node.place.line)
    rest = line[node.place.column - 1 + len(text) :].strip()
    if not node.plain or not rest:
        return ""
    if rest.startswith("#"):
        return f"; YAML took {rest!r} for a comment: quote the rule"
    return "; YAML has cut the rule here: quote it" if text.count("(") > text.count(")") else ""
