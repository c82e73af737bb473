"""What components that learn from the reference keep."""

from __future__ import annotations

import copy

from vedette.testing.checks._table import check
from vedette.testing.data import drop_values
from vedette.testing.lab import CheckFailed, Lab, require, same, through_bytes
from vedette_specs import Fittable, NotFittedError


@check(Fittable)
def fit_refuses_no_rows(lab: Lab) -> None:
    """A reference without rows raises ValueError."""
    try:
        lab.new().fit(lab.reference.take(slice(0, 0)))
    except ValueError:
        return
    raise CheckFailed("fit takes a reference without rows")


@check(Fittable)
def use_before_fit_is_refused(lab: Lab) -> None:
    """An unfitted component raises NotFittedError instead of answering."""
    try:
        lab.new().rows(lab.traffic(5))
    except NotFittedError:
        return
    raise CheckFailed("an unfitted component is used without NotFittedError")


@check(Fittable)
def fit_leaves_options(lab: Lab) -> None:
    """`fit` changes no option, returns the component, and keeps what it learnt in attributes that end in '_'."""
    component = lab.new()
    before = copy.deepcopy(component.get_params())
    require(component.fit(lab.reference) is component, "fit does not return the component itself")
    require(component.get_params() == before, f"fit changes the options to {component.get_params()}")
    learnt = [name for name in vars(component) if name.endswith("_") and name != "feature_names_in_"]
    require(bool(learnt), "fit sets no attribute that ends in '_'")


@check(Fittable)
def fit_forgets_the_last_fit(lab: Lab) -> None:
    """Fitting again gives what a new component fitted on the same rows gives."""
    rows = lab.traffic(200)
    again = lab.new().fit(lab.model.rows(600, seed=9, shift=1.0)).fit(lab.reference)
    same(lab.use(again, rows), lab.use(lab.ready(), rows), lab.tolerance, "a second fit remembers the first")


@check(Fittable)
def fit_takes_missing_values(lab: Lab) -> None:
    """A tenth of the reference's values are missing: it can be fitted and used."""
    component = lab.fit(drop_values(lab.reference))
    lab.use(component, lab.traffic(100))


@check(Fittable)
def missing_column_is_named(lab: Lab) -> None:
    """Rows that lack a column of the reference raise ValueError naming it."""
    component = lab.ready()
    name = next(iter(lab.reference.inputs))
    rows = lab.traffic(5)
    try:
        component.rows(rows.select([other for other in rows.inputs if other != name]))
    except ValueError as error:
        require(name in str(error), f"the error does not name column {name!r}: {error}")
        return
    raise CheckFailed(f"rows without column {name!r} are taken")


@check(Fittable)
def fitted_state_survives_bytes(lab: Lab) -> None:
    """Fitted attributes through the codec (estimators through skops) into a clone: the same answers."""
    from vedette.engine.fitted import pack_component, unpack_component

    component = lab.ready()
    restored = unpack_component(lab.new(), through_bytes(pack_component(component)))
    require(restored.is_fitted(), "nothing was restored")
    rows = lab.traffic(100)
    same(lab.use(restored, rows), lab.use(component, rows), 0.0, "the restored component answers differently")
