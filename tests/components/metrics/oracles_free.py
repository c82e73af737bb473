"""Metrics without labels beside what numpy and scipy, or a plain loop, say of the same rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import subspace_angles

import vedette
from vedette_specs import Batch, Fittable, Metric, Schema, category, numeric, tensor, text

WORDS = ("Alpha", "beta", "gamma2", "Привет", "naïve", "漢字", "x_1", "!?", "\t", "")
CLASSES = ("a", "b", "c")
SCHEMA = Schema(task="multiclass", classes=CLASSES)
Values = Mapping[str, Any]


def draw(n: int, seed: int, missing: float = 0.0, ties: bool = False) -> Batch:
    """Three numeric columns, two of categories, texts, images, predictions and probabilities, with gaps."""
    rng = np.random.default_rng((seed, 3))
    common = rng.normal(size=(n, 1))
    x = 3.0 + common * [1.0, -0.5, 0.2] + rng.normal(size=(n, 3)) * [1.0, 2.0, 0.3]
    x = np.round(x) + 0.0 if ties else x
    x[rng.random((n, 3)) < missing] = np.nan
    names = [None if rng.random() < missing else f"k{int(rng.zipf(1.6)) % 12}" for _ in range(n)]
    sides = [None if rng.random() < missing else str(rng.integers(0, 3)) for _ in range(n)]
    said = [None if rng.random() < missing else " ".join(rng.choice(WORDS, rng.integers(0, 6))) for _ in range(n)]
    images = rng.integers(0, 256, (n, 6, 5, 3)).astype(np.float64)
    images[rng.random(n) < missing] = np.nan
    probabilities = rng.dirichlet(np.ones(3), n)
    probabilities[rng.random(n) < missing] = np.nan
    known = ~np.isnan(probabilities).any(axis=1)
    likeliest = np.nan_to_num(probabilities).argmax(axis=1)
    answers = [CLASSES[i] if here else None for i, here in zip(likeliest, known, strict=True)]
    inputs = {f"x{i}": numeric(np.ascontiguousarray(x[:, i])) for i in range(3)}
    inputs |= {"kind": category(names), "side": category(sides), "said": text(said), "photo": tensor("image", images)}
    return Batch(inputs, SCHEMA, probabilities=probabilities, prediction=category(answers, CLASSES))


REFERENCE = draw(400, 99, 0.05)


@dataclass(frozen=True)
class Case:
    """oracle: the values that the rows should give. tolerance: relative, of a value against it."""

    use: str
    oracle: Callable[[Batch], Values]
    options: Mapping[str, Any] = ()  # type: ignore[assignment]
    tolerance: float = 1e-12
    merged: float = 1e-12

    def metric(self) -> Metric:
        component: Any = vedette.make(self.use, **dict(self.options))
        return component.fit(REFERENCE) if isinstance(component, Fittable) else component.bind(SCHEMA)


def columns(batch: Batch, kind: str) -> dict[str, np.ndarray]:
    """Known values of each column of a kind."""
    found = {}
    for name, column in batch.inputs.items():
        if column.kind == kind:
            values = column.strings() if kind in ("category", "text") else column.values
            found[name] = values[~column.missing()] if len(batch) else values
    return found


def each(batch: Batch, kind: str, of: Callable[[Any], float | None]) -> dict[str, float | None]:
    return {name: of(values) if len(values) else None for name, values in columns(batch, kind).items()}


def extremes(batch: Batch) -> Values:
    def at(i: int) -> Callable[[Any], float | None]:
        return lambda v: float(np.sort(v)[i]) if len(v) >= 3 else None

    return {"kth_lowest": each(batch, "numeric", at(2)), "kth_highest": each(batch, "numeric", at(-3))}


def outside(name: str, low: float, high: float) -> Callable[[Batch], Values]:
    def oracle(batch: Batch) -> Values:
        known = columns(REFERENCE, "numeric")
        bounds = {k: np.quantile(v, [low, high]) for k, v in known.items()}
        rows = columns(batch, "numeric")
        below = {k: float(np.mean(v < bounds[k][0])) if len(v) else None for k, v in rows.items()}
        above = {k: float(np.mean(v > bounds[k][1])) if len(v) else None for k, v in rows.items()}
        both = {k: None if v is None else v + above[k] for k, v in below.items()}
        return {name: both, f"{name}_below": below, f"{name}_above": above}

    return oracle


def new_categories(batch: Batch) -> Values:
    seen = {k: set(v) for k, v in columns(REFERENCE, "category").items()}
    rows = columns(batch, "category")
    return {
        "new_categories": {k: sum(i not in seen[k] for i in v) / len(v) if len(v) else None for k, v in rows.items()},
        "new_distinct": {k: len(set(v) - seen[k]) if len(v) else None for k, v in rows.items()},
    }


def distinct_count(batch: Batch) -> Values:
    rows = columns(batch, "category") | columns(batch, "text")
    return {"distinct_count": {k: len(set(v)) if len(v) else None for k, v in rows.items()}}


def heavy_hitters(batch: Batch) -> Values:
    rows = columns(batch, "category") | columns(batch, "text")
    return {"heavy_share": {f"{k}={i}": c / len(v) for k, v in rows.items() for i, c in Counter(v).items()} or None}


def entropy(batch: Batch) -> Values:
    def bits(v: Any) -> float:
        return float(stats.entropy(list(Counter(v).values()), base=2))

    def even(v: Any) -> float | None:
        return bits(v) / math.log2(len(set(v))) if len(set(v)) > 1 else None

    return {"entropy": each(batch, "category", bits), "evenness": each(batch, "category", even)}


def class_balance(batch: Batch) -> Values:
    said = [item for item in batch.prediction.strings() if item is not None]
    share = {c: said.count(c) / len(said) for c in CLASSES} if said else None
    return {"class_balance": share, "minority_share": min(share.values()) if share else None}


def row_score(name: str, score: Callable[[Any], Any]) -> Callable[[Batch], Values]:
    def oracle(batch: Batch) -> Values:
        p = batch.probabilities[~np.isnan(batch.probabilities).any(axis=1)]
        s = score(p)
        mean, sd = float(s.mean()) if len(s) else None, float(s.std(ddof=1)) if len(s) > 1 else None
        found = {name: mean, f"{name}_sd": sd}
        for level in (5, 50, 95):
            cut = np.quantile(s, level / 100, method="inverted_cdf") if len(s) else None
            found[f"{name}_q{level}"] = None if cut is None else (math.floor(cut * 200) + 1) / 200
        return found

    return oracle


def top_two(p: Any) -> Any:
    ordered = np.sort(p, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def complete(batch: Batch) -> np.ndarray:
    x = np.column_stack([batch.inputs[f"x{i}"].values for i in range(3)])
    return x[~np.isnan(x).any(axis=1)]


def covariance(batch: Batch) -> Values:
    x = complete(batch)
    if len(x) < 2:
        return {"covariance": None, "correlation": None}
    c = np.cov(x.T)
    r = [c[i, j] / math.sqrt(c[i, i] * c[j, j]) if c[i, i] * c[j, j] > 0 else None for i, j in ((0, 1), (0, 2), (1, 2))]
    return {
        "covariance": {f"x{i},x{j}": c[i, j] for i in range(3) for j in range(i, 3)},
        "correlation": dict(zip(("x0,x1", "x0,x2", "x1,x2"), r, strict=True)),
    }


def fourier_mean(batch: Batch) -> Values:
    """The U-statistic over all pairs of rows, one kernel value at a time, in place of sums of features."""
    part: Any = CASES_BY_NAME["fourier_mean"].metric()
    x, z = ((complete(rows) - part.mean_) / part.scale_ for rows in (batch, REFERENCE))
    if len(x) < 2:
        return {"mmd": None, "mmd2": None}

    def kernel(a: Any, b: Any) -> Any:
        return np.cos((a[:, None, :] - b[None, :, :]) @ part.frequencies_).mean(axis=2)

    def within(a: Any) -> float:
        k = kernel(a, a)
        return float((k.sum() - np.trace(k)) / (len(a) * (len(a) - 1)))

    square = within(x) + within(z) - 2.0 * float(kernel(x, z).mean())
    return {"mmd": math.sqrt(max(square, 0.0)), "mmd2": square}


def subspace_angle(batch: Batch) -> Values:
    reference = complete(REFERENCE)
    known = [REFERENCE.inputs[f"x{i}"].values for i in range(3)]
    scale = np.array([np.nanstd(v) for v in known])
    x = complete(batch) / scale
    if len(x) <= 2 or not np.cov(x.T).any():
        return {"subspace_angle": None, "explained": None}
    ours, theirs = (np.linalg.eigh(np.cov(rows.T))[1][:, -2:] for rows in (x, reference / scale))
    c = np.cov(x.T)
    explained = np.trace(theirs.T @ c @ theirs) / np.trace(c)
    return {"subspace_angle": float(np.degrees(subspace_angles(ours, theirs).max())), "explained": float(explained)}


def joint_histogram(batch: Batch) -> Values:
    if not len(batch):
        return {"joint_distance": None, "mutual_information": None}
    edges = np.unique(np.quantile(columns(REFERENCE, "numeric")["x0"], [0.25, 0.5, 0.75], method="inverted_cdf"))
    top = [
        name for name, _ in sorted(Counter(columns(REFERENCE, "category")["kind"]).items(), key=lambda i: (-i[1], i[0]))
    ]

    def cells(rows: Batch) -> Counter[Any]:
        x, kinds = rows.inputs["x0"].values, rows.inputs["kind"].strings()
        bins = [None if math.isnan(v) else int((edges <= v).sum()) for v in x]
        return Counter(zip(bins, (k if k is None or k in top[:3] else "other" for k in kinds), strict=True))

    here, there, n, m = cells(batch), cells(REFERENCE), len(batch), len(REFERENCE)
    distance = sum(abs(here[c] / n - there[c] / m) for c in here | there) / 2
    left, right = Counter(), Counter()
    for (a, b), k in here.items():
        left[a] += k
        right[b] += k
    information = sum(k / n * math.log(k * n / (left[a] * right[b])) for (a, b), k in here.items())
    return {"joint_distance": {"x0,kind": distance}, "mutual_information": {"x0,kind": information}}


def duplicate_rows(batch: Batch) -> Values:
    rows = [tuple(str(c.to_list()[i]) for c in (batch.inputs["x0"], batch.inputs["side"])) for i in range(len(batch))]
    known = len(set(rows)) if rows else None
    return {"duplicate_rows": 1 - known / len(rows) if rows else None, "distinct_rows": known}


def moments_of(name: str, kind: str, of: Callable[[Any], float]) -> Callable[[Batch], Values]:
    def oracle(batch: Batch) -> Values:
        numbers = {k: np.array([of(item) for item in v]) for k, v in columns(batch, kind).items()}
        return {
            name: {k: float(v.mean()) if len(v) else None for k, v in numbers.items()},
            f"{name}_sd": {k: float(v.std(ddof=1)) if len(v) > 1 else None for k, v in numbers.items()},
            f"{name}_min": {k: float(v.min()) if len(v) else None for k, v in numbers.items()},
            f"{name}_max": {k: float(v.max()) if len(v) else None for k, v in numbers.items()},
        }

    return oracle


def tokens(said: str) -> list[str]:
    clean = "".join(c if c.isalnum() or c == "_" else " " for c in said.lower())
    return clean.split()


def out_of_vocabulary(batch: Batch) -> Values:
    counts = Counter(word for said in columns(REFERENCE, "text")["said"] for word in tokens(said))
    known = sorted(counts, key=lambda word: (-counts[word], word))[:4]
    found = [word for said in columns(batch, "text")["said"] for word in tokens(said)]
    return {"out_of_vocabulary": {"said": sum(w not in known for w in found) / len(found)} if found else None}


def shares(name: str, kinds: Callable[[str], str | None], every: tuple[str, ...]) -> Callable[[Batch], Values]:
    def oracle(batch: Batch) -> Values:
        found = Counter(kinds(c) for said in columns(batch, "text")["said"] for c in said)
        del found[None]
        return {name: {f"said={k}": found[k] / found.total() for k in every} if found.total() else None}

    return oracle


def script(c: str) -> str | None:
    if not c.isalpha():
        return None
    return "latin" if ord(c) < 0x250 else "cyrillic" if 0x400 <= ord(c) < 0x500 else "han"


def kind_of(c: str) -> str:
    return "letter" if c.isalpha() else "digit" if c.isdigit() else "space" if c.isspace() else "punctuation"


def grey(image: Any) -> Any:
    return (image * [0.299, 0.587, 0.114]).sum(axis=2) / 255.0


def laplacian(image: Any) -> float:
    from scipy.ndimage import laplace

    return float(laplace(grey(image))[1:-1, 1:-1].var())


def saturation(image: Any) -> float:
    import colorsys

    return float(np.mean([colorsys.rgb_to_hsv(*pixel)[1] for pixel in image.reshape(-1, 3) / 255.0]))


def levels(image: Any) -> float:
    return float(stats.entropy(np.histogram(grey(image), bins=256, range=(0.0, 1.0))[0], base=2))


def type_mismatches(batch: Batch) -> Values:
    number = each(batch, "numeric", lambda v: 0.0) | each(batch, "category", lambda v: 0.0)
    return {"type_mismatches": number | each(batch, "text", lambda v: 0.0) | each(batch, "image", lambda v: 0.0)}


_CLASS_NAMES = ("letter", "digit", "space", "punctuation", "symbol", "control", "other")
_SCRIPT_NAMES = (
    "latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "bengali", "tamil", "telugu", "thai", "georgian",
    "armenian", "ethiopic", "hangul", "hiragana", "katakana", "han", "other",
)  # fmt: skip
CASES = [
    Case("extremes", extremes, {"k": 3}),
    Case("out_of_range", outside("out_of_range", 0.0, 1.0)),
    Case("outside_reference", outside("outside_reference", 0.05, 0.9), {"low": 0.05, "high": 0.9}),
    Case("new_categories", new_categories),
    Case("distinct_count", distinct_count, tolerance=1e-3, merged=1e-3),
    Case("heavy_hitters", heavy_hitters, {"top": 1000}),
    Case("entropy", entropy),
    Case("class_balance", class_balance),
    Case("confidence", row_score("confidence", lambda p: p.max(axis=1) if len(p) else np.zeros(0))),
    Case("margin", row_score("margin", top_two)),
    Case("prediction_entropy", row_score("prediction_entropy", lambda p: stats.entropy(p, axis=1) / math.log(3))),
    Case("covariance", covariance, tolerance=1e-11),
    Case("fourier_mean", fourier_mean, {"features": 16}),
    Case("subspace_angle", subspace_angle, tolerance=1e-7, merged=1e-7),
    Case("joint_histogram", joint_histogram, {"pairs": [["x0", "kind"]], "bins": 4}),
    Case("duplicate_rows", duplicate_rows, {"columns": ["x0", "side"]}),
    Case("type_mismatches", type_mismatches),
    Case("text_length", moments_of("text_length", "text", len)),
    Case("token_counts", moments_of("token_counts", "text", lambda said: len(tokens(said)))),
    Case("out_of_vocabulary", out_of_vocabulary, {"max_vocabulary": 4}),
    Case("character_classes", shares("character_classes", kind_of, _CLASS_NAMES)),
    Case("scripts", shares("scripts", script, _SCRIPT_NAMES)),
    Case("brightness", moments_of("brightness", "image", lambda i: float(grey(i).mean()))),
    Case("contrast", moments_of("contrast", "image", lambda i: float(grey(i).std()))),
    Case("sharpness", moments_of("sharpness", "image", laplacian)),
    Case("saturation", moments_of("saturation", "image", saturation)),
    Case("aspect", moments_of("aspect", "image", lambda i: 5 / 6)),
    Case("image_entropy", moments_of("image_entropy", "image", levels)),
]
CASES_BY_NAME = {case.use: case for case in CASES}
EVERY = [pytest.param(case, id=case.use) for case in CASES]
