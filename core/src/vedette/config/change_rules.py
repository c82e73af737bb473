"""Rules that look for a change of a number: `change: cusum`, with a budget of false alarms."""

from __future__ import annotations

from collections.abc import Sequence

from vedette.config import budgets
from vedette.config.budgets import Budget
from vedette.config.models import RuleSection
from vedette.config.plan import MonitorSpec, WindowSpec
from vedette.config.resolving import Context
from vedette.config.rules import Rule, parse
from vedette.config.rules_tree import Before
from vedette.config.tree import Path
from vedette.config.values import Hold


def series_fault(rule: Rule) -> str | None:
    """Why a rule is no series of numbers that can change."""
    if not rule.root.number:
        return f"rule: with 'change' it is a number that may change; '{rule.format()}' is true or false"
    if not rule.names:
        return f"rule: with 'change' it is a number that may change; '{rule.format()}' always is the same"
    if any(isinstance(term, Before) for term in rule.root.walk()):
        return "rule: before(...) makes values depend on earlier ones, so that no budget would hold; leave it out"
    return None


def check_section(ctx: Context, path: Path, section: RuleSection) -> bool:
    """Whether keys fit together: with `change` a rule is never true or false for a while."""
    if section.change is None:
        if section.false_alarms is not None:
            ctx.fault((*path, "false_alarms"), "false_alarms: needs 'change', as in change: cusum", key=True)
            return False
        return True
    if section.when is None:
        ctx.fault(path, "change: needs 'when', the number that may change, as in when: roc_auc", key=True)
        return False
    if section.hold != Hold():
        ctx.fault((*path, "for"), "for: has no meaning with 'change': evidence is summed over windows", key=True)
        return False
    return True


def check_budget(ctx: Context, path: Path, section: RuleSection, windows: Sequence[Sequence[WindowSpec]]) -> bool:
    """windows: those that an evaluation stands on, for every series of evaluations. Places a fault in the budget."""
    if section.change is None:
        return True
    try:
        for one in windows:
            budget_of(section).run_length(one)
    except ValueError as error:
        said = section.false_alarms is not None
        where = (*path, "false_alarms") if said else (*path, "change")
        ctx.fault(where, f"{'false_alarms' if said else 'change'}: {error}", key=not said)
        return False
    return True


def budget_of(section: RuleSection) -> Budget:
    return section.false_alarms or budgets.DEFAULT


def own_windows(windows: Sequence[WindowSpec]) -> list[tuple[WindowSpec, ...]]:
    """Every window of a monitor is a series of its own; the ticks of a detector are one."""
    return [(window,) for window in windows] or [()]


def joint_windows(text: str, monitors: Sequence[MonitorSpec]) -> list[tuple[WindowSpec, ...]]:
    """A rule over several monitors stands on the first window of each."""
    names = {path[0] for path in parse(text).names}
    return [tuple(m.windows[0] for m in monitors if m.name in names and m.windows)]
