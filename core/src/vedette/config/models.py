"""The grammar of `monitors.yaml`, version 1, as types. What names mean is resolved elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from vedette.config import values
from vedette.config.fields import (
    BudgetText,
    ClassName,
    Count,
    HoldText,
    Join,
    ModelName,
    Name,
    Names,
    Number,
    OpenSection,
    RateText,
    Rows,
    RowsText,
    Seconds,
    Section,
    as_list,
    check_zone,
    replica_bounds,
    rule_switch,
    shorthand,
)
from vedette_specs.results import EventKind
from vedette_specs.schema import Task

ChangeMethod = Literal["cusum", "page_hinkley", "conformal"]
Severity = Literal["info", "warn", "page"]
Period = Literal["day", "week", "month", "quarter", "year"]
TokenScope = Literal["read", "write", "explain"]
FeatureKind = Literal["numeric", "category", "text", "image", "embedding", "auto"]
_TEXT, _MAPPING, _OFF = "<text>", "<mapping>", "<off>"  # members of a union, told apart by a value's form


class ModelSection(Section):
    """The model: its name; uri only where Vedette loads or calls it."""

    name: ModelName
    uri: str | None = None
    version: ClassName | None = None
    refresh: Any = Field(default=None, description="not supported yet")


class ReferenceSection(Section):
    """Rows of the time when the model was right: a file or a URI."""

    uri: str | None = None
    first: Any = Field(default=None, description="not supported yet")
    phase: Any = Field(default=None, description="not supported yet")


Reference = Annotated[
    ReferenceSection, BeforeValidator(shorthand("uri"), json_schema_input_type=str | ReferenceSection)
]


class SchemaSection(Section):
    """What the model takes and gives; what is absent is inferred from the reference."""

    features: Annotated[dict[str, FeatureKind], Field(min_length=1)] | None = Field(
        default=None, description="The model's columns in order, each with its kind; other columns are left out"
    )
    task: Task | None = None
    classes: Annotated[list[ClassName], Field(min_length=2)] | None = None
    positive: ClassName | None = None
    threshold: Annotated[Number, Field(ge=0, le=1)] = 0.5
    label: str | None = Field(default=None, description="The reference's label column")


class CaptureSection(Section):
    """Where a call's parts are, as in `body.rows`, `response.score`, `header.x-region`."""

    deployment: str | None = None
    method: str = "__call__"
    inputs: str = "auto"
    prediction: str = "auto"
    probabilities: str = Field(default="auto", description="A path, auto, or none where the model gives none")
    id: str = "auto"
    time: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)


class LabelsSection(Section):
    """How labels find their predictions."""

    join: Join = Field(default="id", description="id of the request, or a column or attribute whose value labels name")
    within: Seconds = 7 * 86400.0
    coverage: Annotated[Number, Field(gt=0, le=1)] = 0.9


class WindowSection(Section):
    """Which rows a result is about; exactly one of span, last, lifetime, calendar, half_life and since."""

    span: Seconds | None = Field(default=None, description="A run of time, as in 1h")
    last: RowsText | None = Field(default=None, description="A run of rows, as in 1000 rows")
    lifetime: Literal[True] | None = Field(default=None, description="All so far")
    calendar: Period | None = Field(default=None, description="Whole days, weeks, months, ... of a time zone")
    zone: Annotated[str, AfterValidator(check_zone)] = Field(default="UTC", description="As in Europe/Berlin")
    half_life: Seconds | None = Field(default=None, description="All so far, a row's weight halves in this time")
    since: str | None = Field(default=None, description="From the last alarm of this monitor, which detects changes")
    longest: Seconds = Field(default=30 * 86400.0, description="How far a window with `since` reaches back at most")
    every: str | None = Field(
        default=None,
        description="Rows for `last`, else a duration; when absent a quarter of the window, or an hour",
    )
    min: Rows = Field(default=1, description="Fewer rows give 'insufficient'")
    grace: Seconds = Field(default=0.0, description="How long a tick stays open after its end")


Window = Annotated[
    Annotated[str, Tag(_TEXT)] | Annotated[WindowSection, Tag(_MAPPING)],
    Discriminator(lambda value: _TEXT if isinstance(value, str) else _MAPPING),
]


class UseSection(OpenSection):
    """A component by its name; every other key is an option of the component."""

    use: str


class ComponentSection(UseSection):
    """A metric or detector; `as` names its values when two of a kind are in one monitor."""

    alias: Name | None = Field(default=None, alias="as")


Component = Annotated[
    ComponentSection, BeforeValidator(shorthand("use"), json_schema_input_type=str | ComponentSection)
]
Used = Annotated[UseSection, BeforeValidator(shorthand("use"), json_schema_input_type=str | UseSection)]


class RuleSection(Section):
    """When to raise an alert, for how long the rule must hold first, and when it is over."""

    when: str | None = None
    hold: HoldText = Field(default=values.Hold(), alias="for", description="3: evaluations; 10m: event time")
    keep_firing_for: HoldText = Field(
        default=values.Hold(), description="How long the rule must not have held, for a firing alert to be resolved"
    )
    change: ChangeMethod | None = Field(
        default=None, description="`when` is a number, and the alert is that it has changed"
    )
    false_alarms: BudgetText | None = Field(default=None, description="1 per 30d, 1 per 500 windows, 1 per 100000 rows")
    severity: Severity = "warn"


Alert = Annotated[
    Annotated[Literal[False], Tag(_OFF)]
    | Annotated[
        RuleSection,
        BeforeValidator(rule_switch, json_schema_input_type=str | Literal[True] | RuleSection),
        Tag(_MAPPING),
    ],
    Discriminator(lambda value: _OFF if value is False else _MAPPING),
]
Rule = Annotated[RuleSection, BeforeValidator(shorthand("when"), json_schema_input_type=str | RuleSection)]


class ExplainSection(Section):
    """Explain the flagged rows with an explainer, at most so many."""

    use: str
    at_most: RateText = values.Rate(5, seconds=60.0)


Explain = Annotated[ExplainSection, BeforeValidator(shorthand("use"), json_schema_input_type=str | ExplainSection)]


class CompareSection(Section):
    """Segments of an attribute or column beside one of them: versions, or canary and default."""

    by: str
    base: ClassName = Field(description="Its value in the segment that the others are compared with")
    level: Annotated[Number, Field(gt=0, lt=1)] = 0.95


class MonitorSection(Section):
    """Metrics or one detector on an input; exactly one of `metrics` and `detect`."""

    metrics: Annotated[list[Component], Field(min_length=1)] | None = None
    detect: Component | None = None
    of: str = "inputs"
    window: (
        Annotated[
            list[Window], Field(min_length=1), BeforeValidator(as_list, json_schema_input_type=Window | list[Window])
        ]
        | None
    ) = None
    by: Names = ()
    compare: CompareSection | None = None
    preprocess: Names = ()
    alert: Alert | None = None
    explain: Explain | None = None
    pool: str | None = None


class ExplainerSection(UseSection):
    """An explainer and its budget."""

    background: Rows = 100
    max_rows: Rows = 2000
    max_calls: Annotated[Count, Field(ge=1)] = 100
    deadline: Seconds = 10.0
    pool: str = "explain"


class ReplicasSection(Section):
    """Bounds of autoscaling."""

    min: Annotated[Count, Field(ge=0)] = 1
    max: Annotated[Count, Field(ge=1)] | None = None


class PoolSection(Section):
    """Replicas that monitors share."""

    replicas: Annotated[
        ReplicasSection,
        BeforeValidator(replica_bounds, json_schema_input_type=int | ReplicasSection),
    ] = ReplicasSection(min=1, max=1)
    cpus: Annotated[Number, Field(gt=0)] = 0.1


class SinkSection(UseSection):
    """Where events go; which kinds, and alerts of which severity (all when empty)."""

    events: Annotated[tuple[EventKind, ...], BeforeValidator(as_list)] = ()
    severity: Annotated[tuple[Severity, ...], BeforeValidator(as_list)] = ()


class TapSection(Section):
    """What waits in the model's process."""

    buffer: Annotated[tuple[int | None, int | None], BeforeValidator(values.parse_buffer)] | None = None
    spool: str | None = None
    sync: bool = False


class SampleSection(Section):
    sample: Annotated[Number, Field(gt=0, le=1)]


class PrivacySection(Section):
    """redact: input columns that are never stored.  payloads: which rows' inputs are kept."""

    redact: Names = ()
    payloads: Annotated[
        Annotated[Literal["flagged", "all", "none"], Tag(_TEXT)] | Annotated[SampleSection, Tag(_MAPPING)],
        Discriminator(lambda value: _MAPPING if isinstance(value, dict) else _TEXT),
    ] = "flagged"


class ServerSection(Section):
    """tokens: a text with a token a line, a list, or a mapping of scope to tokens."""

    tokens: Annotated[
        Annotated[Names, Tag(_TEXT)] | Annotated[dict[TokenScope, Names], Tag(_MAPPING)],
        Discriminator(lambda value: _MAPPING if isinstance(value, dict) else _TEXT),
    ] = ()
    host: str = "127.0.0.1"
    port: Annotated[Count, Field(ge=1, le=65535)] = 8200
    max_body: Annotated[int, BeforeValidator(values.parse_size)] = 16 << 20


class Document(Section):
    """One model's monitoring."""

    version: Literal[1]
    model: ModelSection
    reference: Reference | None = None
    data_schema: SchemaSection = Field(default=SchemaSection(), alias="schema")
    capture: CaptureSection = CaptureSection()
    labels: LabelsSection = LabelsSection()
    store: str = "sqlite:///vedette.db"
    retention: Seconds = 30 * 86400.0
    windows: dict[str, WindowSection] = Field(default_factory=dict)
    preprocessors: dict[str, Used] = Field(default_factory=dict)
    monitors: Annotated[
        dict[str, MonitorSection] | None,
        BeforeValidator(
            lambda value: None if value == "auto" else value,
            json_schema_input_type=Literal["auto"] | dict[str, MonitorSection],
        ),
    ] = None
    alerts: dict[str, Rule] = Field(default_factory=dict)
    explainers: dict[
        str,
        Annotated[ExplainerSection, BeforeValidator(shorthand("use"), json_schema_input_type=str | ExplainerSection)],
    ] = Field(default_factory=dict)
    pools: dict[str, PoolSection] = Field(default_factory=dict)
    sinks: dict[
        str, Annotated[SinkSection, BeforeValidator(shorthand("use"), json_schema_input_type=str | SinkSection)]
    ] = Field(default_factory=dict)
    tap: TapSection = TapSection()
    privacy: PrivacySection = PrivacySection()
    server: ServerSection = ServerSection()
