"""Running the checks that apply to a component: all at once, or one by one under pytest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vedette.testing.checks import CHECKS, Check
from vedette.testing.lab import CheckFailed, CheckSkipped, Lab, Subject
from vedette_specs import BaseComponent

if TYPE_CHECKING:
    import pytest

Testable = type[BaseComponent] | BaseComponent | Subject


class ConformanceError(AssertionError):
    """Checks that failed (or should have); `failures` has a message for each."""

    def __init__(self, component: str, failures: dict[str, str]) -> None:
        self.failures = failures
        lines = "".join(f"\n  {name}: {text}" for name, text in failures.items())
        super().__init__(f"{component} fails {len(failures)} checks:{lines}")


@dataclass
class BoundCheck:
    """One check on one subject; call it to run it."""

    check: Check
    lab: Lab

    @cached_property
    def name(self) -> str:
        return f"{self.lab.subject.name}-{self.check.name}"

    @property
    def expected_failure(self) -> str | None:
        return self.lab.subject.expected_failures.get(self.check.name)

    def __call__(self) -> None:
        """Run; raises CheckFailed, CheckSkipped, or whatever the component raises."""
        self.check.run(self.lab)

    def __repr__(self) -> str:
        return self.name


def as_subject(component: Testable, **changes: Any) -> Subject:
    """A class (made with its default options), an instance, or a Subject."""
    if isinstance(component, Subject):
        return replace(component, **changes)
    return Subject(component() if isinstance(component, type) else component, **changes)


def checks_for(component: Testable, **changes: Any) -> Iterator[BoundCheck]:
    """The checks that apply, by base class; ValueError where an expected failure names none of them."""
    subject = as_subject(component, **changes)
    applying = [check for check in CHECKS.values() if check.applies_to(subject.component)]
    if unknown := set(subject.expected_failures) - {check.name for check in applying}:
        raise ValueError(f"expected_failures: {sorted(unknown)} are no checks of {subject.name}")
    lab = Lab(subject)
    return (BoundCheck(check, lab) for check in applying)


def check_component(component: Testable, **changes: Any) -> dict[str, str]:
    """Run all checks; ConformanceError has every failure. Returns check -> `passed`, `skipped: ...`, `expected: ...`.

    `changes` are fields of Subject: ``check_component(KS, expected_failures={"memory_is_bounded": "exact test"})``.
    """
    outcomes: dict[str, str] = {}
    failures: dict[str, str] = {}
    for bound in checks_for(component, **changes):
        name, reason = bound.check.name, bound.expected_failure
        try:
            bound()
        except CheckSkipped as skipped:
            outcomes[name] = f"skipped: {skipped}"
        except Exception as error:  # the code under test may raise anything: it is reported
            if reason is None:
                failures[name] = str(error) if isinstance(error, CheckFailed) else f"{type(error).__name__}: {error}"
            else:
                outcomes[name] = f"expected: {reason}"
        else:
            outcomes[name] = "passed"
            if reason is not None:
                failures[name] = f"passes, but is expected to fail: {reason}"
    if failures:
        raise ConformanceError(as_subject(component, **changes).name, failures)
    return outcomes


def parametrize_components(components: Iterable[Testable], **changes: Any) -> pytest.MarkDecorator:
    """Decorator for a test with one argument `check`, run once per component and check, like scikit-learn's.

    ::

        @parametrize_components([Median, Subject(Drift(), expected_failures={"memory_is_bounded": "keeps all rows"})])
        def test_conformance(check):
            run(check)
    """
    import pytest

    parameters = []
    for component in components:
        for bound in checks_for(component, **changes):
            reason = bound.expected_failure
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            parameters.append(pytest.param(bound, id=bound.name, marks=marks))
    return pytest.mark.parametrize("check", parameters)


def run(check: BoundCheck) -> None:
    """Run a check inside a pytest test: what the kit skips, pytest skips."""
    import pytest

    try:
        check()
    except CheckSkipped as skipped:
        pytest.skip(str(skipped))
