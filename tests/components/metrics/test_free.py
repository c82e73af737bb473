"""Metrics without labels: known answers, bounds that are promised, odd inputs, and errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vedette
from vedette.components.metrics._streaming_histogram import compress, join, quantile
from vedette.plugins import get_registry
from vedette_specs import Batch, Fittable, ResultContext, Schema, category, numeric, tensor, text
from vedette_specs.codec import encode

CTX = ResultContext()


def bins_of(values):
    centres, counts = np.unique(np.asarray(values, dtype=float), return_counts=True)
    return centres, counts.astype(np.int64)


def sum_to(centres, counts, point):
    """Estimated number of values <= `point` (algorithm 3), which algorithm 4, the quantiles, inverts."""
    i = int(np.searchsorted(centres, point, side="right")) - 1
    share = (point - centres[i]) / (centres[i + 1] - centres[i])
    here = counts[i] + (counts[i + 1] - counts[i]) * share
    return float(counts[:i].sum() + counts[i] / 2.0 + (counts[i] + here) / 2.0 * share)


class TestBenHaimTomTov:
    FIRST, SECOND = (23, 19, 10, 16, 36, 2, 9), (32, 30, 45)

    def test_example_of_the_paper(self):
        first = compress(*bins_of(self.FIRST), 5)
        assert first[0].tolist() == [2, 9.5, 17.5, 23, 36]
        assert first[1].tolist() == [1, 2, 2, 1, 1]
        centres, counts = compress(*join(first, bins_of(self.SECOND)), 5)
        assert centres == pytest.approx([2, 9.5, 58 / 3, 98 / 3, 45], rel=1e-12)
        assert counts.tolist() == [1, 2, 3, 3, 1]
        assert sum_to(centres, counts, 15.0) == pytest.approx(3.28, abs=0.01)

    def test_example_of_the_paper_through_the_component(self):
        part = vedette.make("histogram", bins=5)
        first, second = (
            part.add(part.create(), Batch({"x": numeric(list(map(float, v)))})) for v in (self.FIRST, self.SECOND)
        )
        bins = part.result(part.merge(first, second), CTX).details["bins"]["x"]
        assert [count for _, count in bins] == [1, 2, 3, 3, 1]
        assert [centre for centre, _ in bins] == pytest.approx([2, 9.5, 58 / 3, 98 / 3, 45], rel=1e-12)

    @settings(max_examples=150, deadline=None)
    @given(
        values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=80, unique=True),
        bins=st.integers(2, 20),
    )
    def test_rounds_give_what_one_merge_at_a_time_gives(self, values, bins):
        """Where two gaps are equally narrow but for rounding, either may be merged first: those are left out."""
        centres, counts = map(list, bins_of(values))
        while len(centres) > bins:
            gaps = np.diff(centres)
            if np.count_nonzero(gaps <= gaps.min() * (1 + 1e-9) + 1e-12) > 1:
                return
            i = int(np.argmin(gaps))
            total = counts[i] + counts[i + 1]
            centres[i : i + 2] = [(centres[i] * counts[i] + centres[i + 1] * counts[i + 1]) / total]
            counts[i : i + 2] = [total]
        found = compress(*bins_of(values), bins)
        assert found[0] == pytest.approx(centres, rel=1e-9, abs=1e-9)
        assert found[1].tolist() == counts

    def test_quantiles_undo_sums(self):
        centres, counts = compress(*bins_of(np.random.default_rng(0).normal(size=500)), 20)
        low, high = centres[0] - 0.1, centres[-1] + 0.1
        for level in (0.2, 0.5, 0.77):
            place = quantile(centres, counts, level, low, high)
            assert sum_to(centres, counts, place) == pytest.approx(level * 500, rel=1e-9)
        assert quantile(centres, counts, 0.0, low, high) == pytest.approx(low)
        assert quantile(centres, counts, 1.0, low, high) == pytest.approx(high)

    def test_many_rows_in_shards(self, merged):
        x = np.random.default_rng(1).normal(size=20_000)
        part = vedette.make("histogram")
        state = merged(part, Batch({"x": numeric(x)}))
        result = part.result(state, CTX)
        assert sum(count for _, count in result.details["bins"]["x"]) == 20_000
        assert result.values["median"]["x"] == pytest.approx(np.median(x), abs=0.1)
        assert result.values["iqr"]["x"] == pytest.approx(1.349, abs=0.15)
        assert len(encode(state)) < 20_000

    def test_missing_and_infinite_values_are_counted(self):
        result = vedette.make("histogram").compute(Batch({"x": numeric([1.0, np.nan, np.inf, 3.0])}))
        assert result.details["missing"] == {"x": 1}
        assert result.details["infinite"] == {"x": 1}
        assert result.values["median"] == {"x": 2.0}
        gone = vedette.make("histogram").compute(Batch({"x": numeric([np.nan])}))
        assert gone.values == {"median": None, "iqr": None}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    rng = np.random.default_rng(2)
    return [f"k{int(i)}" for i in np.minimum(rng.zipf(1.3, 40_000), 10**9)]


class TestSketchesKeepTheirBounds:
    def test_distinct_count(self, texts, merged):
        part = vedette.make("distinct_count")
        batch = Batch({"c": category(texts), "t": text(texts)})
        result = part.result(merged(part, batch), CTX)
        for name in ("c", "t"):
            assert result.values["distinct_count"][name] == pytest.approx(len(set(texts)), rel=5 * 1.04 / 64)
            assert result.details["lower"][name] <= result.values["distinct_count"][name]

    def test_numbers_are_counted_when_named(self):
        batch = Batch({"x": numeric([0.0, -0.0, 1.5, np.nan, 1.5])})
        assert vedette.make("distinct_count").compute(batch).values == {"distinct_count": None}
        result = vedette.make("distinct_count", columns=["x"]).compute(batch)
        assert result.values["distinct_count"]["x"] == pytest.approx(2.0, abs=1e-3)
        assert result.details["missing"] == {"x": 1}

    def test_heavy_hitters(self, texts, merged):
        part = vedette.make("heavy_hitters", lg_size=8, top=5)
        result = part.result(merged(part, Batch({"c": category(texts)})), CTX)
        error = result.details["error"]["c"]
        assert 0 < error <= 3.5 / 2**8
        names, counts = np.unique(texts, return_counts=True)
        true = dict(zip(names.tolist(), (counts / len(texts)).tolist(), strict=True))
        assert len(result.values["heavy_share"]) == 5
        for key, share in result.values["heavy_share"].items():
            assert true[key.removeprefix("c=")] == pytest.approx(share, abs=error)
        assert f"c={names[counts.argmax()]}" in result.values["heavy_share"]

    def test_texts_that_are_not_utf_8_are_counted(self):
        batch = Batch({"t": text(["\ud800", "\ud800", "a"])})
        assert vedette.make("heavy_hitters").compute(batch).values["heavy_share"]["t=\\ud800"] == pytest.approx(2 / 3)
        assert vedette.make("distinct_count").compute(batch).values["distinct_count"]["t"] == pytest.approx(2, abs=1e-3)
        assert vedette.make("character_classes").compute(batch).values["character_classes"]["t=other"] == 2 / 3

    def test_duplicate_rows_beyond_what_is_kept(self, merged):
        rng = np.random.default_rng(3)
        x = rng.permutation(np.concatenate([np.arange(8000.0), np.arange(2000.0)]))
        part = vedette.make("duplicate_rows", k=256)
        state = merged(part, Batch({"x": numeric(x), "y": category(["v"] * 10_000)}))
        result = part.result(state, CTX)
        assert result.details["standard_error"] == pytest.approx(0.8 / np.sqrt(254), rel=0.3)
        assert result.values["duplicate_rows"] == pytest.approx(0.2, abs=4 * result.details["standard_error"])
        assert len(encode(state)) < 256 * 8 + 400
        whole = vedette.make("duplicate_rows", k=8000).compute(Batch({"x": numeric(x)}))
        assert whole.values == {"duplicate_rows": pytest.approx(0.2), "distinct_rows": 8000.0}

    def test_duplicate_rows_of_every_kind(self):
        rng = np.random.default_rng(4)
        batch = Batch(
            {
                "x": numeric(rng.normal(size=6)),
                "t": text(["a", None, "b", "c", "d", "e"]),
                "i": tensor("image", rng.random((6, 2, 3, 3))),
                "e": tensor("embedding", rng.random((6, 4))),
            }
        )
        twice = batch.take([0, 1, 2, 3, 4, 5, 0, 1])
        assert vedette.make("duplicate_rows").compute(twice).values["distinct_rows"] == 6
        for name in batch.inputs:
            other = twice.with_inputs(**{name: batch.inputs[name].take([0, 1, 2, 3, 4, 5, 2, 3])})
            assert vedette.make("duplicate_rows").compute(other).values["distinct_rows"] == 8, name

    def test_new_categories_beyond_what_is_kept(self):
        part = vedette.make("new_categories", max_categories=100).fit(Batch({"c": category(["a"])}))
        result = part.compute(Batch({"c": category([f"n{i}" for i in range(3000)] + ["a"] * 1000)}))
        assert result.values["new_categories"] == {"c": 0.75}
        assert result.values["new_distinct"]["c"] == pytest.approx(3000, rel=0.4)
        assert len(result.details["examples"]["c"]) == 20

    def test_entropy_beyond_what_is_kept(self):
        names = [f"n{i % 300}" for i in range(3000)]
        result = vedette.make("entropy", max_categories=50).compute(Batch({"c": category(names)}))
        low = result.values["entropy"]["c"]
        assert low <= np.log2(300) <= low + result.details["bound"]["c"]


class TestReference:
    def test_out_of_range_takes_bounds_by_column(self):
        rows = {"x": numeric([-1.0, 0.0, 5.0, np.inf, np.nan]), "y": numeric([1.0, 2.0, 3.0, 4.0, 9.0])}
        reference = Batch({"x": numeric([0.0, 1.0]), "y": numeric([1.0, 4.0])})
        part = vedette.make("out_of_range", bounds_by_column={"x": [0, None]}).fit(reference)
        result = part.compute(Batch(rows))
        assert result.values["out_of_range"] == {"x": 0.25, "y": 0.2}
        assert result.values["out_of_range_above"] == {"x": 0.0, "y": 0.2}
        assert result.details["missing"] == {"x": 1, "y": 0}

    def test_a_column_without_a_value_in_the_reference_is_not_known(self):
        reference = Batch({"x": numeric([np.nan]), "y": numeric([1.0])})
        result = vedette.make("out_of_range").fit(reference).compute(Batch({"x": numeric([5.0]), "y": numeric([5.0])}))
        assert result.values["out_of_range"] == {"x": None, "y": 1.0}

    def test_type_mismatches(self):
        reference = Batch(
            {
                "count": numeric([1.0, 2.0, np.nan]),
                "share": numeric([0.5, 1.0, 2.0]),
                "code": category(["12", "7", None]),
                "day": category(["2024-01-02", "2024-02-03T10:00:00Z", None]),
                "flag": category(["yes", "No", "yes"]),
                "name": category(["x", "1", "2.5"]),
            }
        )
        part = vedette.make("type_mismatches").fit(reference)
        assert part.types_ == ["integer", "number", "integer", "date", "boolean", "any"]
        rows = Batch(
            {
                "count": numeric([1.0, 2.5, np.nan, 4.0]),
                "share": category(["a", "b", None, "c"]),
                "code": category(["1", "x", "2", None]),
                "day": category(["2024-01-02", "01/02/2024", None, None]),
                "name": category(["x", "y", "z", "1"]),
                "extra": numeric([1.0, 2.0, 3.0, 4.0]),
            }
        )
        result = part.compute(rows)
        found = result.values["type_mismatches"]
        assert found == pytest.approx(
            {"count": 1 / 3, "share": 1.0, "code": 1 / 3, "day": 0.5, "name": 0.0} | {"flag": None}
        )
        assert result.details["absent"] == {"flag": 4}
        assert result.details["unknown"] == {"extra": 4}

    def test_subspace_angle_of_a_turned_plane(self):
        rng = np.random.default_rng(5)
        u = rng.normal(size=(4000, 1))
        noise = 0.01 * rng.normal(size=(4000, 2))
        reference = Batch({"a": numeric((u + noise[:, :1])[:, 0]), "b": numeric((u + noise[:, 1:])[:, 0])})
        turned = Batch({"a": reference.inputs["a"], "b": numeric(-reference.inputs["b"].values)})
        part = vedette.make("subspace_angle", components=1).fit(reference)
        assert part.compute(reference).values["subspace_angle"] == pytest.approx(0.0, abs=1e-6)
        assert part.compute(turned).values["subspace_angle"] == pytest.approx(90.0, abs=0.1)
        assert part.compute(turned).values["explained"] < 0.01

    def test_fourier_mean_sees_a_change_of_dependence_only(self):
        rng = np.random.default_rng(6)

        def rows(rho: float) -> Batch:
            a, b = rng.normal(size=(2, 3000))
            return Batch({"a": numeric(a), "b": numeric(rho * a + np.sqrt(1 - rho**2) * b)})

        part = vedette.make("fourier_mean").fit(rows(0.0))
        quiet, moved = (abs(part.compute(rows(rho)).values["mmd2"]) for rho in (0.0, 0.8))
        assert moved > 10 * quiet

    def test_joint_histogram_chooses_the_pairs_that_depend_most(self):
        rng = np.random.default_rng(7)
        a, b, c = rng.normal(size=(3, 2000))
        reference = Batch({"a": numeric(a), "b": numeric(b), "c": numeric(a + 0.3 * c)})
        part = vedette.make("joint_histogram", most_pairs=1).fit(reference)
        assert part.pairs_ == [["a", "c"]]
        assert part.compute(reference).values["joint_distance"] == {"a,c": 0.0}
        shuffled = reference.with_inputs(c=numeric(rng.permutation(reference.inputs["c"].values)))
        assert part.compute(shuffled).values["joint_distance"]["a,c"] > 0.3


class TestImages:
    def test_channels_first_and_last_and_none(self):
        rng = np.random.default_rng(8)
        last = rng.integers(0, 256, (3, 8, 7, 3)).astype(float)
        for use in ("brightness", "contrast", "sharpness", "saturation", "image_entropy", "aspect"):
            found = [
                vedette.make(use).compute(Batch({"i": tensor("image", x)})).values
                for x in (last, np.moveaxis(last, 3, 1))
            ]
            assert found[0] == found[1], use
        grey = Batch({"i": tensor("image", np.full((2, 4, 4), 51.0))})
        assert vedette.make("brightness").compute(grey).values["brightness"] == {"i": pytest.approx(0.2)}
        assert vedette.make("saturation").compute(grey).values["saturation"] is None
        assert vedette.make("image_entropy").compute(grey).values["image_entropy"] == {"i": 0.0}

    def test_white_is_an_option(self):
        ones = Batch({"i": tensor("image", np.ones((2, 4, 4, 3)))})
        assert vedette.make("brightness", white=1.0).compute(ones).values["brightness_min"]["i"] == pytest.approx(1.0)

    def test_small_images_have_no_sharpness_and_odd_shapes_are_refused(self):
        small = Batch({"i": tensor("image", np.ones((2, 2, 5)))})
        assert vedette.make("sharpness").compute(small).status == "insufficient"
        with pytest.raises(ValueError, match=r"brightness: images have shape \(5, 6, 7\); allowed"):
            vedette.make("brightness").compute(Batch({"i": tensor("image", np.ones((2, 5, 6, 7)))}))


def test_one_probability_column_is_that_of_the_positive_class():
    schema = Schema(task="binary", classes=("no", "yes"), positive="yes")
    batch = Batch({}, schema, probabilities=np.array([[0.9], [0.2], [np.nan]]))
    for use, wanted in (("confidence", 0.85), ("margin", 0.7)):
        result = vedette.make(use).compute(batch)
        assert result.values[use] == pytest.approx(wanted)
        assert result.n == 2
        assert result.details["left_out"] == 1


@pytest.mark.parametrize(
    ("use", "options", "message"),
    [
        ("extremes", {"k": 0}, "extremes: k is 0; allowed: 1 to 1000"),
        ("histogram", {"bins": 1}, "histogram: bins is 1; allowed: 2 to 4096"),
        ("out_of_range", {"bounds_by_column": {"x": [2, 1]}}, r"bounds_by_column\.x is \[2\.0, 1\.0\]; allowed"),
        ("out_of_range", {"bounds_by_column": {"x": [2]}}, r"bounds_by_column\.x is \[2\.0\]; allowed"),
        ("outside_reference", {"low": 0.9, "high": 0.1}, "low is 0.9 and high is 0.1; allowed"),
        ("new_categories", {"max_categories": 1}, "max_categories is 1; allowed: 2 or more"),
        ("distinct_count", {"lg_k": 3}, "lg_k is 3; allowed: 7 to 21"),
        ("heavy_hitters", {"lg_size": 30}, "lg_size is 30; allowed: 3 to 20"),
        ("heavy_hitters", {"top": 0}, "top is 0; allowed: 1 or more"),
        ("entropy", {"max_categories": 0}, "max_categories is 0; allowed: 2 or more"),
        ("confidence", {"bins": 1}, "confidence: bins is 1; allowed: 2 to 100000"),
        ("covariance", {"columns": ["x"] * 201}, "columns has 201 names; allowed: at most 200"),
        ("fourier_mean", {"features": 0}, "features is 0; allowed: 1 to 10000"),
        ("subspace_angle", {"components": 0}, "components is 0; allowed: 1 or more"),
        ("joint_histogram", {"pairs": [["a", "a"]]}, r"pairs has \[\['a', 'a'\]\]; allowed"),
        ("joint_histogram", {"bins": 1}, "bins is 1; allowed: 2 to 100"),
        ("joint_histogram", {"most_pairs": 0}, "most_pairs is 0; allowed: 1 to 1000"),
        ("duplicate_rows", {"k": 2}, "k is 2; allowed: 16 to 1000000"),
        ("out_of_vocabulary", {"max_vocabulary": 0}, "max_vocabulary is 0; allowed: 1 to 1000000"),
        ("brightness", {"white": 0.0}, "brightness: white is 0.0; allowed"),
    ],
)
def test_options_are_checked(use, options, message):
    with pytest.raises(ValueError, match=message):
        vedette.make(use, **options)


def with_columns() -> list[str]:
    """Metrics without labels that take `columns`."""
    registry = get_registry()
    names = [entry.name for entry in registry.of_kinds(("metric",))]
    named = [use for use in names if "columns" in registry.options(use, ("metric",))]
    learn = {"aipw_accuracy", "dle", "pape", "performance_change", "performance_range"}  # labels are missed first
    return sorted(set(named) - learn)


@pytest.mark.parametrize("use", with_columns())
def test_a_column_that_is_absent_is_told_by_the_metric_that_names_it(use):
    batch = Batch({"x": numeric([1.0, 2.0, 3.0]), "c": category(["a", "b", "c"])})
    made = vedette.make(use, columns=["absent"])
    with pytest.raises(ValueError, match=rf"^{use}: columns? .*absent"):
        made.fit(batch) if isinstance(made, Fittable) else made.add(made.create(), batch)


@pytest.mark.parametrize("use", ["class_balance", "confidence", "margin", "prediction_entropy"])
def test_classes_are_needed(use):
    with pytest.raises(ValueError, match=r"schema\.task is 'regression'; allowed"):
        vedette.make(use).bind(Schema(task="regression"))


def test_a_reference_that_is_too_small_is_named():
    one = Batch({"x": numeric([1.0, np.nan]), "y": numeric([1.0, 2.0])})
    for use in ("fourier_mean", "subspace_angle"):
        with pytest.raises(ValueError, match="fewer than 2 rows without missing values"):
            vedette.make(use).fit(one)
    with pytest.raises(ValueError, match="allowed: 2 numeric columns or more"):
        vedette.make("subspace_angle").fit(one.select(["x"]))
    with pytest.raises(ValueError, match="no numeric column"):
        vedette.make("fourier_mean").fit(Batch({"c": category(["a", "b"])}))
    with pytest.raises(ValueError, match=r"bounds_by_column names \['z'\]"):
        vedette.make("out_of_range", bounds_by_column={"z": [0, 1]}).fit(one)


def test_covariances_of_different_columns_are_not_merged():
    part = vedette.make("covariance")
    left, right = (part.add(part.create(), Batch({name: numeric([1.0, 2.0])})) for name in "ab")
    with pytest.raises(ValueError, match="covariance: states of different columns"):
        part.merge(left, right)
