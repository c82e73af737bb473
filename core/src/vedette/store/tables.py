"""The tables. Times are seconds since the epoch (float); ticks are integers: floor(event time / tick length)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()
Big = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", Big, primary_key=True, autoincrement=True)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, default=False)


meta = Table("meta", metadata, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))

bundles = Table(
    "bundles",
    metadata,
    Column("digest", String(80), primary_key=True),
    Column("model", String(128), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created", Float, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("digest", String(80), nullable=False),
    Column("changed", Float, nullable=False),
)

series = Table(
    "series",
    metadata,
    _id(),
    Column("model", String(128), nullable=False),
    Column("monitor", String(128), nullable=False),
    Column("pool", String(256), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("digest", String(80), nullable=False),  # of the bundle that started it, so that it can be closed later
    Column("status", String(16), nullable=False),  # active | retired | quarantined
    Column("reason", Text),
    Column("tick", Float, nullable=False),
    Column("closed", Big, nullable=False),  # ticks below this one are closed
    Column("kept_from", Big, nullable=False),  # panes of ticks below this one are gone: too late to revise
    Column("created", Float, nullable=False),
    Column("ended", Float),
    Column("late_rows", Big, nullable=False, default=0),
    Column("missing_rows", Big, nullable=False, default=0),  # rows that a raising component did not count
    Index("series_by_monitor", "model", "monitor", "status"),
)

segments = Table(
    "segments",
    metadata,
    Column("series", Big, primary_key=True),
    Column("segment", String(256), primary_key=True),
    Column("rows", Big, nullable=False, default=0),  # rows in closed ticks, on time: the clock of windows by rows
    Column("last_tick", Big),  # the last closed tick that had rows
)

producers = Table(
    "producers",
    metadata,
    Column("pool", String(256), primary_key=True),
    Column("producer", String(64), primary_key=True),
    Column("seq", Big, nullable=False),
    Column("low", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("duplicates", Big, nullable=False, default=0),
    Column("counters", Text, nullable=False),
)

incarnations = Table(
    "incarnations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("pool", String(256), nullable=False),
    Column("started", Float, nullable=False),
    Column("seen", Float, nullable=False),
    _flag("fenced"),
)

batch_log = Table(
    "batch_log",
    metadata,
    _id(),
    Column("pool", String(256), nullable=False),
    Column("producer", String(64), nullable=False),
    Column("seq", Big, nullable=False),
    Column("owner", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("min_time", Float, nullable=False),
    Column("received", Float, nullable=False),
    Column("model_version", String(128), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    _flag("poisoned"),
    Column("blob", LargeBinary, nullable=False),
    UniqueConstraint("pool", "producer", "seq"),
    Index("batch_log_by_owner", "owner"),
)

panes = Table(
    "panes",
    metadata,
    _id(),
    Column("series", Big, nullable=False),
    Column("segment", String(256), nullable=False),
    Column("tick", Big, nullable=False),
    _flag("closed"),
    Column("rows", Big, nullable=False),
    Column("labelled", Big, nullable=False, default=0),
    Column("lag", Float, nullable=False, default=0.0),  # sum over labelled rows of label time - prediction time
    Column("state", LargeBinary),
    Index("panes_by_tick", "series", "closed", "tick"),
)

results = Table(
    "results",
    metadata,
    _id(),
    Column("series", Big, nullable=False),
    Column("model", String(128), nullable=False),
    Column("monitor", String(128), nullable=False),
    Column("window", String(128), nullable=False),
    Column("segment", String(256), nullable=False),
    Column("start", Float, nullable=False),
    Column("end", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("n", Big, nullable=False),
    Column("status", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("revised", Float, nullable=False),
    _flag("dirty"),
    _flag("judged"),
    UniqueConstraint("series", "window", "segment", "end"),
    Index("results_latest", "model", "monitor", "end"),
    Index("results_dirty", "series", "dirty", sqlite_where=text("dirty = 1"), postgresql_where=text("dirty")),
    Index("results_unjudged", "series", sqlite_where=text("judged = 0"), postgresql_where=text("NOT judged")),
)

memories = Table(
    "memories",
    metadata,
    Column("series", Big, primary_key=True),
    Column("name", String(320), primary_key=True),  # "fold:<segment>" or "lifetime:<segment>"
    Column("tick", Big, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

recomputes = Table(
    "recomputes",
    metadata,
    Column("series", Big, primary_key=True),
    Column("tick", Big, primary_key=True),
    Column("asked", Float, nullable=False),
)

alert_states = Table(
    "alert_states",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("rule", String(128), primary_key=True),
    Column("segment", String(256), primary_key=True),
    Column("window", String(128), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("since", Float, nullable=False),
    Column("count", Integer, nullable=False),
    Column("judged", Float, nullable=False),  # end of the last window that the rule has judged
    Column("quiet", Big, nullable=False, default=0),  # rows since the rule held last, while firing
    Column("lapsed", Integer, nullable=False, server_default="0"),  # evaluations since then
    Column("lapsed_since", Float, nullable=False, server_default="0"),  # event time of the first of them
    Column("told", String(16), nullable=False, server_default=""),  # the last state whose event went to the sinks
    Column("withheld", Text, nullable=False, server_default=""),  # the event that they get when a silence ends
    Column("acknowledged", Text, nullable=False, server_default=""),  # by whom and when, as JSON
    Column("memory", LargeBinary),  # of a change-point rule
    Column("body", Text, nullable=False),
)

silences = Table(
    "silences",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("model", String(128), nullable=False),
    Column("rule", String(128), nullable=False),
    Column("segment", String(256)),  # NULL: all of them
    Column("created", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("ended", Float),  # before its time, by somebody
    Column("by", String(128), nullable=False),
    Column("reason", Text, nullable=False),
    Index("silences_by_until", "model", "until"),
)

alerts = Table(
    "alerts",
    metadata,
    _id(),
    Column("model", String(128), nullable=False),
    Column("rule", String(128), nullable=False),
    Column("monitor", String(128), nullable=False),
    Column("segment", String(256), nullable=False),
    Column("state", String(16), nullable=False),
    Column("time", Float, nullable=False),
    Column("body", Text, nullable=False),
    Index("alerts_by_time", "model", "time"),
)

outbox = Table(
    "outbox",
    metadata,
    _id(),
    Column("model", String(128), nullable=False),
    Column("event_id", String(64), nullable=False),
    Column("sink", String(128), nullable=False),
    Column("key", String(512), nullable=False),  # events of one key are delivered in order
    Column("kind", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Float, nullable=False),
    Column("delivered", Float),
    _flag("dead"),
    Column("error", Text),
    UniqueConstraint("event_id", "sink"),
    Index(
        "outbox_waiting",
        "model",
        "next_at",
        sqlite_where=text("delivered IS NULL AND dead = 0"),
        postgresql_where=text("delivered IS NULL AND NOT dead"),
    ),
)

predictions = Table(
    "predictions",
    metadata,
    _id(),
    Column("model", String(128), nullable=False),
    Column("producer", String(64), nullable=False),
    Column("seq", Big, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("min_time", Float, nullable=False),
    Column("max_time", Float, nullable=False),
    Column("first_minted", Big),  # counters of the ids that the tap minted: these need no index of their own
    Column("last_minted", Big),
    Column("model_version", String(128), nullable=False),
    Column("bundle", String(80), nullable=False, default="", server_default=""),  # that they were counted under
    Column("blob", LargeBinary, nullable=False),
    UniqueConstraint("model", "producer", "seq"),
    Index("predictions_by_time", "model", "min_time"),
    Index("predictions_by_minted", "model", "producer", "first_minted"),
)

prediction_ids = Table(
    "prediction_ids",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("request", String(256), primary_key=True),
    Column("block", Big, primary_key=True),  # several where a request's rows were shipped in several batches
    Index("prediction_ids_by_block", "block"),
)

payloads = Table(
    "payloads",
    metadata,
    Column("block", Big, primary_key=True),  # of predictions
    Column("blob", LargeBinary, nullable=False),
)

labels = Table(
    "labels",
    metadata,
    _id(),
    Column("model", String(128), nullable=False),
    Column("request", String(256), nullable=False),
    Column("row", Integer, nullable=False),
    Column("annotator", String(128), nullable=False),
    Column("value", Text, nullable=False),
    Column("time", Float, nullable=False),
    Column("received", Float, nullable=False),
    Column("state", String(12), nullable=False),  # pending | applied | superseded | unmatched
    Column("retry_at", Float, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Index("labels_by_row", "model", "request", "row"),
    Index("labels_pending", "model", "retry_at", sqlite_where=text("state = 'pending'"),
          postgresql_where=text("state = 'pending'")),
)  # fmt: skip

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("model", String(128), nullable=False),
    Column("explainer", String(128), nullable=False),
    Column("monitor", String(128), nullable=False),
    Column("segment", String(256), nullable=False),
    Column("request", String(256), nullable=False),
    Column("row", Integer, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Column("status", String(12), nullable=False),  # waiting | running | done | failed
    Column("created", Float, nullable=False),
    Column("claimed_by", String(64)),
    Column("lease_until", Float, nullable=False, default=0.0),
    Column("tries", Integer, nullable=False, default=0),
    Column("result", Text),
    Column("error", Text),
    Index("jobs_by_status", "model", "status", "created"),
)

leases = Table(
    "leases",
    metadata,
    Column("pool", String(256), primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("epoch", Big, nullable=False),
    Column("expires", Float, nullable=False),
    Column("watermark", Float, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("model", String(128), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("value", Big, nullable=False, default=0),
)
