"""The shapes of answers, for OpenAPI. Answers are not validated against them: they come from our own types."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

Value = float | None | dict[str, float | None]


class Error(BaseModel):
    error: str
    field: str | None = Field(None, description="The place of the request that is wrong")


class ResultOut(BaseModel):
    """A window's result of one segment; detectors add more."""

    monitor: str
    window: str
    segment: str = Field(description="`column=value,...`; empty for all rows")
    start: float = Field(description="Seconds since the epoch")
    end: float
    revision: int = Field(description="Late rows and labels revise a result")
    created: float
    revised: float
    values: dict[str, Value] = Field(description="null where the value is not known")
    n: int
    status: Literal["ok", "insufficient", "immature"]
    details: dict[str, Any]


class MonitorOut(BaseModel):
    name: str
    kind: str
    use: list[str]
    of: str
    pool: str
    by: list[str]
    windows: list[str]
    alert: str | None
    status: str
    reason: str | None
    rows: int
    labelled_rows: int
    late_rows: int
    missing_rows: int
    latest: ResultOut | None


class AcknowledgedOut(BaseModel):
    by: str
    note: str
    time: float


class AlertOut(BaseModel):
    rule: str
    monitor: str
    segment: str
    window: str
    state: Literal["inactive", "pending", "firing", "resolved"]
    severity: str
    since: float
    value: float | None
    when: str
    details: dict[str, Any]
    acknowledged: AcknowledgedOut | None = Field(description="By whom; null where nobody has")
    silenced: str | None = Field(description="Id of the silence on it")


class SilenceOut(BaseModel):
    id: str
    rule: str
    segment: str | None = Field(description="null: all of them")
    created: float = Field(description="The store's time, as are the other two")
    until: float
    ended: float | None = Field(description="When somebody ended it before its time")
    by: str
    reason: str
    active: bool


class PredictionOut(BaseModel):
    id: str
    row: int
    time: float
    prediction: Any
    probabilities: list[float | None] | None
    attributes: dict[str, str | None]
    label: Any


class JobOut(BaseModel):
    id: str
    explainer: str
    monitor: str
    segment: str
    request: str
    row: int
    status: str
    created: float
    tries: int
    error: str | None
    result: dict[str, Any] | None


class StatusOut(BaseModel):
    model: str
    bundle: str
    time: float
    leases: list[dict[str, Any]]
    replicas: list[dict[str, Any]]
    counters: dict[str, int]


class Accepted(BaseModel):
    accepted: int = Field(description="Labels stored; they are joined to their predictions later")


class Health(BaseModel):
    status: Literal["ok"]


class ExplanationsOut(BaseModel):
    explanations: list[dict[str, Any]] = Field(description="One a row, in the shape that clients of Alibi know")


FEEDBACK_ITEM: dict[str, Any] = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {
            "type": "string",
            "minLength": 1,
            "maxLength": 256,
            "description": "The request's id, or the key that `labels.join` names",
        },
        "labels": {"type": "array", "description": "One a row of the request; null where it is not known"},
        "label": {"description": "The label of one row"},
        "row": {"type": "integer", "minimum": 0, "default": 0},
        "annotator": {"type": "string", "maxLength": 128},
        "time": {"type": "number", "description": "When it was given, seconds since the epoch; now by default"},
    },
    "oneOf": [{"required": ["label"]}, {"required": ["labels"]}],
}
FEEDBACK = {"oneOf": [FEEDBACK_ITEM, {"type": "array", "items": FEEDBACK_ITEM}]}
FEEDBACK_EXAMPLE = {"id": "r-77", "labels": [">50K"]}

SILENCE: dict[str, Any] = {
    "type": "object",
    "required": ["rule", "for", "reason"],
    "additionalProperties": False,
    "properties": {
        "rule": {"type": "string", "description": "A rule's name; that of a monitor's own rule is the monitor's"},
        "segment": {"type": ["string", "null"], "maxLength": 256, "description": "As in `region=eu`; all where absent"},
        "for": {"type": "string", "description": "How long, as in `2h`"},
        "reason": {"type": "string", "minLength": 1, "maxLength": 1000},
        "by": {"type": "string", "maxLength": 128},
    },
}
SILENCE_EXAMPLE = {"rule": "drift", "for": "2h", "reason": "a new client is being tried", "by": "kim"}

ACKNOWLEDGE: dict[str, Any] = {
    "type": "object",
    "required": ["by"],
    "additionalProperties": False,
    "properties": {
        "segment": {"type": "string", "maxLength": 256, "default": ""},
        "window": {"type": "string", "maxLength": 128, "description": "Needed where several windows are live"},
        "by": {"type": "string", "minLength": 1, "maxLength": 128},
        "note": {"type": "string", "maxLength": 1000},
    },
}
ACKNOWLEDGE_EXAMPLE = {"by": "kim", "note": "the sensor is being replaced"}

EXPLAIN: dict[str, Any] = {
    "description": "Instances in any format of a prediction request (V1, V2, MLflow, records), or a past prediction",
    "type": "object",
    "properties": {
        "instances": {"type": "array"},
        "inputs": {"type": "array", "description": "V2 tensors"},
        "id": {"type": "string", "description": "Id of a past prediction whose inputs were kept"},
        "row": {"type": "integer", "minimum": 0, "default": 0},
        "target": {
            "type": "string",
            "default": "model",
            "description": "`model`, or a monitor with a score",
        },
        "max_rows": {"type": "integer", "minimum": 1, "description": "Lowers the explainer's own limit"},
        "max_calls": {"type": "integer", "minimum": 1},
        "deadline": {"type": "number", "exclusiveMinimum": 0, "description": "Seconds"},
    },
}
EXPLAIN_EXAMPLE = {"instances": [{"age": 39, "workclass": "Private"}], "max_rows": 500}
PREDICT = {"type": "object", "description": "V1 `instances`, or V2 `inputs`"}

ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Error, "description": "The request is wrong; `field` says where"},
    503: {"model": Error, "description": "The store does not answer"},
}
