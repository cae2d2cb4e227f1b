"""The tables: one MetaData for SQLite and PostgreSQL.

Instants are UTC integer microseconds. Ids are prefixed text. Aggregates have a `version` that every UPDATE
compares. Personal text lives in customer, contact_point, interaction, message, note, ticket, search_doc and input,
never in event, effect or command, so that one person can be erased without rewriting the log.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = sa.JSON().with_variant(JSONB(), "postgresql")
Instant = sa.BigInteger
Position = sa.BigInteger


def _id(name: str = "id") -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer, nullable=False, server_default="1")


# --- the log and its three neighbours -----------------------------------------------------------------------

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("event", Position, nullable=False),
    sa.Column("effect", Position, nullable=False),
    sa.Column("command", Position, nullable=False),
    sa.Column("input", Position, nullable=False),
    comment="One row: the last position given in each stream. Taken last before COMMIT, so order is commit order.",
)

counter = sa.Table(
    "counter",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("position", Position, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Index(None, "subject", "position"),
)

event_archive = sa.Table(
    "event_archive",
    metadata,
    sa.Column("position", Position, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("data", Json, nullable=False),
    comment="The log's beginning, moved out of the followers' way. With `event` after it, it is the whole log.",
)

OPEN_SEND = "done_at IS NULL AND NOT (kind <> 'send_message')"
"""What the indexes of sends hold; a query uses them if it says the same, literally.

With `kind = ...` SQLite would rather look through the index that begins with the kind.
"""

effect = sa.Table(
    "effect",
    metadata,
    sa.Column("position", Position, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("done_at", Instant),
    sa.Column("detail", sa.Text),
    sa.Column("started_at", Instant),
    sa.Column("tried_at", Instant),
    sa.Column("unsure", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(
        "ix_effect_open",
        "kind",
        "due_at",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    ),
    sa.Index(
        "ix_effect_sends",
        "account",
        "due_at",
        "position",
        sqlite_where=sa.text(OPEN_SEND),
        postgresql_where=sa.text(OPEN_SEND),
    ),
    sa.Index(
        "ix_effect_turns",
        "subject",
        "position",
        sqlite_where=sa.text(OPEN_SEND),
        postgresql_where=sa.text(OPEN_SEND),
    ),
    comment="`started_at`: its first claim. For messages: `tried_at` is when the newest request left, `unsure` "
    "whether an earlier one may have been carried out.",
)

command = sa.Table(
    "command",
    metadata,
    sa.Column("position", Position, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("body", Json, nullable=False),
)

input_ = sa.Table(
    "input",
    metadata,
    sa.Column("position", Position, primary_key=True, autoincrement=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("customer_id", sa.Text),
    sa.Column("body", Json, nullable=False),
    sa.UniqueConstraint("account", "key"),
)

dispatch_step = sa.Table(
    "dispatch_step",
    metadata,
    sa.Column("seq", Position, primary_key=True, autoincrement=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("command_position", Position),
    sa.Column("command", Json, nullable=False),
    sa.Column("decisions", Json, nullable=False),
    sa.Column("policy_version", sa.Integer, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    comment="What the router was told, when, and what it decided. A command of kind `rebuilt` holds a snapshot.",
)

cursor = sa.Table(
    "cursor",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", Position, nullable=False),
)

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

timer = sa.Table(
    "timer",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("due_at", Instant, nullable=False, index=True),
    sa.Column("data", Json, nullable=False),
)

# --- who works here -----------------------------------------------------------------------------------------

agent = sa.Table(
    "agent",
    metadata,
    _id(),
    sa.Column("login", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("queues", Json, nullable=False),
    sa.Column("skills", Json, nullable=False),
    sa.Column("capacity", Json, nullable=False),
    sa.Column("chosen", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("chosen_at", Instant, nullable=False),
    sa.Column("idle_since", Instant, nullable=False),
    sa.Column("lost_at", Instant),
    _version(),
)

session = sa.Table(
    "session",
    metadata,
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("agent_id", sa.Text, nullable=False, index=True),
    sa.Column("csrf", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("revoked_at", Instant),
)

node = sa.Table(
    "node",
    metadata,
    _id(),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("beat_at", Instant, nullable=False),
    sa.Column("roles", sa.Text),
)

connection = sa.Table(
    "connection",
    metadata,
    sa.Column("sid", sa.Text, primary_key=True),
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("agent_id", sa.Text, nullable=False, index=True),
    sa.Column("session", sa.Text, nullable=False),
    sa.Column("connected_at", Instant, nullable=False),
)

visitor_connection = sa.Table(
    "visitor_connection",
    metadata,
    sa.Column("sid", sa.Text, primary_key=True),
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("visitor_id", sa.Text, nullable=False, index=True),
    sa.Column("connected_at", Instant, nullable=False),
    comment="The pages of chat visitors: while one is open somewhere, the visitor is there.",
)

audit = sa.Table(
    "audit",
    metadata,
    _id(),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("data", Json, nullable=False),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("principal", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("request_hash", sa.Text, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False, index=True),
)

config_version = sa.Table(
    "config_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("body", Json, nullable=False),
    comment="Queues, menus, reasons: published (one) or retired. Decisions cite the version.",
)

config_draft = sa.Table(
    "config_draft",
    metadata,
    _id(),
    sa.Column("base_version", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("body", Json, nullable=False),
    _version(),
    comment="A configuration that is being written, made in sight of the published `base_version`.",
)

# --- who is served ------------------------------------------------------------------------------------------

company = sa.Table(
    "company",
    metadata,
    _id(),
    sa.Column("name", sa.Text, nullable=False),
)

customer = sa.Table(
    "customer",
    metadata,
    _id(),
    sa.Column("name", sa.Text),
    sa.Column("company_id", sa.Text),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("language", sa.Text),
    sa.Column("time_zone", sa.Text),
    sa.Column("remark", sa.Text, nullable=False),
    sa.Column("merged_into", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    _version(),
)

contact_point = sa.Table(
    "contact_point",
    metadata,
    _id(),
    sa.Column("customer_id", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("display", sa.Text, nullable=False),
    sa.Column("proof", sa.Text, nullable=False),
    sa.Column("proved_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("made_for", sa.Text, unique=True),
    sa.Index(None, "kind", "value"),
    comment="`made_for` is kind:value where the point made its own customer: of two racers, one loses by it.",
)

# --- contacts -----------------------------------------------------------------------------------------------

_LIVE = "ended_at IS NULL"

interaction = sa.Table(
    "interaction",
    metadata,
    _id(),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("external_id", sa.Text, nullable=False),
    sa.Column("brand_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("queue_id", sa.Text),
    sa.Column("customer_id", sa.Text),
    sa.Column("caller", sa.Text),
    sa.Column("topic", sa.Text),
    sa.Column("language", sa.Text),
    sa.Column("requires", Json, nullable=False),
    sa.Column("agent_id", sa.Text),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("menu_attempt", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("queued_at", Instant),
    sa.Column("ordering_key", Instant),
    sa.Column("answered_at", Instant),
    sa.Column("connected_at", Instant),
    sa.Column("handled_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("wrap_up_until", Instant),
    sa.Column("ended_by", sa.Text),
    sa.Column("end_reason", sa.Text),
    sa.Column("disposition", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("entry_seq", sa.Integer, nullable=False),
    sa.Column("message_seq", sa.Integer, nullable=False),
    sa.Column("last_text", sa.Text),
    sa.Column("last_text_at", Instant),
    sa.Column("visitor_online", sa.Boolean),
    sa.Column("hints", Json),
    sa.Column("callback_at", Instant),
    _version(),
    sa.UniqueConstraint("account", "external_id"),
    sa.Index("ix_interaction_customer", "customer_id", "created_at"),
    sa.Index(
        "ix_interaction_agent_live", "agent_id", sqlite_where=sa.text(_LIVE), postgresql_where=sa.text(_LIVE)
    ),
    sa.Index(
        "ix_interaction_line",
        "queue_id",
        "ordering_key",
        "id",
        sqlite_where=sa.text("state IN ('queued', 'offered')"),
        postgresql_where=sa.text("state IN ('queued', 'offered')"),
    ),
    sa.Index("ix_interaction_live", "state", sqlite_where=sa.text(_LIVE), postgresql_where=sa.text(_LIVE)),
)

segment = sa.Table(
    "segment",
    metadata,
    _id(),
    sa.Column("interaction_id", sa.Text, nullable=False, index=True),
    sa.Column("queue_id", sa.Text, nullable=False),
    sa.Column("agent_id", sa.Text),
    sa.Column("queued_at", Instant, nullable=False),
    sa.Column("answered_at", Instant),
    sa.Column("handled_at", Instant),
    sa.Column("ended_at", Instant),
    sa.Column("outcome", sa.Text),
    sa.Column("target_s", sa.Integer, nullable=False),
    sa.Column("entered", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("in_target", sa.Boolean),
    sa.Index("ix_segment_queued", "queued_at", "id"),
    comment="One stay of an interaction in one queue with at most one agent. Metrics count segments that `entered` "
    "their queue: those of a contact that was put back are none. `in_target`: answered or abandoned within the target.",
)

call_leg = sa.Table(
    "call_leg",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("interaction_id", sa.Text, nullable=False, index=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("agent_id", sa.Text),
    sa.Column("dial", sa.Integer),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("in_conference", sa.Boolean, nullable=False),
    sa.Column("conference_id", sa.Text),
    sa.Column("conference_sequence", sa.Integer, nullable=False),
    sa.Column("cause", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Index(
        "ix_call_leg_living",
        "created_at",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)

visitor = sa.Table(
    "visitor",
    metadata,
    _id(),
    sa.Column("widget", sa.Text, nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("fingerprint", sa.Text, nullable=False, unique=True),
    sa.Column("customer_id", sa.Text),
    sa.Column("interaction_id", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False, index=True),
)

message = sa.Table(
    "message",
    metadata,
    _id(),
    sa.Column("interaction_id", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text, index=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("message_no", sa.Integer),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("author_kind", sa.Text, nullable=False),
    sa.Column("author_id", sa.Text),
    sa.Column("author_name", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("status", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("quoted", sa.Text),
    sa.Column("html", sa.Text),
    sa.Column("envelope", Json),
    sa.Column("provider_id", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("former_ids", Json),
    sa.UniqueConstraint("interaction_id", "seq"),
    sa.Index("ix_message_key", "interaction_id", "key", unique=True),
    sa.Index("ix_message_provider_id", "provider_id"),
    sa.Index(
        "ix_message_sending",
        "at",
        sqlite_where=sa.text("status = 'sending'"),
        postgresql_where=sa.text("status = 'sending'"),
    ),
    comment="What was said, and system lines. `message_no` numbers what the customer sees; notes are another table. "
    "`former_ids` are the provider's ids of earlier attempts.",
)

note = sa.Table(
    "note",
    metadata,
    _id(),
    sa.Column("interaction_id", sa.Text, index=True),
    sa.Column("ticket_id", sa.Text, index=True),
    sa.Column("customer_id", sa.Text),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("author_id", sa.Text, nullable=False),
    sa.Column("author_name", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("key", sa.Text),
    sa.Index("ix_note_customer", "customer_id", "at"),
    comment="Internal words. No code that sends reads this table.",
)

offer = sa.Table(
    "offer",
    metadata,
    _id(),
    sa.Column("interaction_id", sa.Text, nullable=False),
    sa.Column("agent_id", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("deadline", Instant, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("closed_at", Instant),
    sa.Column("reason", sa.Text),
    sa.Column("because", Json, nullable=False),
    sa.Column("policy_version", sa.Integer, nullable=False),
    sa.Index(
        "ix_offer_pending_interaction",
        "interaction_id",
        unique=True,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index(
        "ix_offer_pending_agent",
        "agent_id",
        unique=True,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    ),
    sa.Index("ix_offer_closed", "closed_at"),
    sa.Index("ix_offer_interaction", "interaction_id"),
)

# --- cases --------------------------------------------------------------------------------------------------

ticket = sa.Table(
    "ticket",
    metadata,
    _id(),
    sa.Column("number", sa.BigInteger, nullable=False, unique=True),
    sa.Column("brand_id", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("priority", sa.Text, nullable=False),
    sa.Column("queue_id", sa.Text),
    sa.Column("customer_id", sa.Text),
    sa.Column("assignee_id", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
    _version(),
    sa.Index("ix_ticket_customer", "customer_id", "created_at"),
    sa.Index(
        "ix_ticket_customer_open",
        "customer_id",
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
)

ticket_interaction = sa.Table(
    "ticket_interaction",
    metadata,
    sa.Column("ticket_id", sa.Text, primary_key=True),
    sa.Column("interaction_id", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Index(None, "interaction_id"),
)

# --- figures ------------------------------------------------------------------------------------------------

queue_live = sa.Table(
    "queue_live",
    metadata,
    sa.Column("queue_id", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("waiting", sa.Integer, nullable=False),
    sa.Column("oldest_at", Instant),
    sa.Column("agents", sa.Integer, nullable=False),
    sa.Column("mu", sa.Float, nullable=False),
    sa.Column("theta", sa.Float, nullable=False),
    sa.Column("places", Json),
    comment="The router's live view of a queue: agents serving it, mu and theta per second, by medium how many "
    "contacts those who are ready may have at once. For wait estimates.",
)

interval_count = sa.Table(
    "interval_count",
    metadata,
    sa.Column("queue_id", sa.Text, primary_key=True),
    sa.Column("start", Instant, primary_key=True),
    sa.Column("offered", sa.Integer, nullable=False),
    sa.Column("answered", sa.Integer, nullable=False),
    sa.Column("answered_in_target", sa.Integer, nullable=False),
    sa.Column("abandoned", sa.Integer, nullable=False),
    sa.Column("abandoned_in_target", sa.Integer, nullable=False),
    sa.Column("wait_us", sa.BigInteger, nullable=False),
    sa.Column("moved_out", sa.Integer, nullable=False, server_default="0"),
    comment="Counters per queue and 15 minutes, folded from the log: enough for all three service-level definitions.",
)

board = sa.Table(
    "board",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("position", Position, nullable=False),
    sa.Column("body", Json, nullable=False),
)

# --- search -------------------------------------------------------------------------------------------------


class IndexWords(sa.types.TypeDecorator[list[str]]):
    """Folded words in their order: a text for SQLite's FTS5, which a trigger hands on; a tsvector in PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(TSVECTOR() if dialect.name == "postgresql" else sa.Text())

    def process_bind_param(self, value: list[str] | None, dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        return _as_tsvector(value) if dialect.name == "postgresql" else " ".join(value)


def _as_tsvector(words: list[str]) -> str:
    """Words have neither quotation marks nor backslashes. PostgreSQL keeps 256 places of a word, up to 16,383."""
    places: dict[str, list[str]] = {}
    for place, word in enumerate(words, 1):
        at = places.setdefault(word, [])
        if len(at) < 256 and place < 16_384:
            at.append(str(place))
    return " ".join(f"'{word}':{','.join(at)}" if at else f"'{word}'" for word, at in places.items())


search_doc = sa.Table(
    "search_doc",
    metadata,
    sa.Column(
        "number",
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Text),
    sa.Column("customer_id", sa.Text, index=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("words", IndexWords, nullable=False),
    sa.Index("ix_search_doc_kind_number", "kind", "number"),
    sa.Index(
        "ix_search_doc_words", "words", postgresql_using="gin", postgresql_with={"fastupdate": "off"}
    ).ddl_if(dialect="postgresql"),
    comment="What search looks in, made from the rows it names and never the truth. `number` sorts by time. Rows are "
    "inserted and deleted, never updated.",
)

# --- threads: mail and texts ----------------------------------------------------------------------------------

thread = sa.Table(
    "thread",
    metadata,
    _id(),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("peer", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text, index=True),
    sa.Column("interaction_id", sa.Text, nullable=False, index=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("contacts", sa.Integer, nullable=False),
    sa.Column("last_message_id", sa.Text),
    sa.Column("references", Json, nullable=False),
    sa.Column("number", sa.Text),
    sa.Column("at", Instant, nullable=False),
    _version(),
    sa.Index("ix_thread_peer", "account", "peer"),
    sa.Index("ix_thread_number", "account", "number", unique=True),
    comment="What a mail answers or a number's texts belong to, over all of its contacts; its id is its first "
    "contact's. `number` is the customer's where a number has one thread (texts), else null.",
)

attachment = sa.Table(
    "attachment",
    metadata,
    _id(),
    sa.Column("interaction_id", sa.Text, nullable=False, index=True),
    sa.Column("message_id", sa.Text, index=True),
    sa.Column("customer_id", sa.Text),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("blob", sa.Text, nullable=False, index=True),
    sa.Column("content_id", sa.Text),
    sa.Column("inline", sa.Boolean, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    comment="A file of a message; `message_id` is null while it waits to be sent. The bytes lie in the blob store.",
)

draft = sa.Table(
    "draft",
    metadata,
    sa.Column("interaction_id", sa.Text, primary_key=True),
    sa.Column("author_id", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("body", Json, nullable=False),
    _version(),
    comment="What somebody has typed and not sent yet: it goes with the contact, whoever has it.",
)

text_consent = sa.Table(
    "text_consent",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("opted_out", sa.Boolean, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("word", sa.Text, nullable=False),
    comment="Whether a number wants texts of ours: the newest word counts.",
)

# --- supervision ----------------------------------------------------------------------------------------------

figure_sample = sa.Table(
    "figure_sample",
    metadata,
    sa.Column("at", Instant, primary_key=True, autoincrement=False),
    sa.Column("waiting", sa.Integer, nullable=False),
    sa.Column("longest_wait_s", sa.Integer, nullable=False),
    sa.Column("service_level_pct", sa.Float),
    sa.Column("abandoned", sa.Integer, nullable=False),
    sa.Column("agents_ready", sa.Integer, nullable=False),
    sa.Column("occupancy_pct", sa.Float),
    comment="The wallboard's six figures once a minute, for its trends. `at` is the start of the minute.",
)

alert = sa.Table(
    "alert",
    metadata,
    _id(),
    sa.Column("rule_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("figure", sa.Text, nullable=False),
    sa.Column("queue_id", sa.Text),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("raise_at", sa.Float, nullable=False),
    sa.Column("clear_at", sa.Float, nullable=False),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("raised_at", Instant, nullable=False),
    sa.Column("cleared_at", Instant),
    sa.Column("clear_reason", sa.Text),
    sa.Column("acknowledged_at", Instant),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("policy_version", sa.Integer, nullable=False),
    _version(),
    sa.Index(
        "ix_alert_open",
        "rule_id",
        unique=True,
        sqlite_where=sa.text("cleared_at IS NULL"),
        postgresql_where=sa.text("cleared_at IS NULL"),
    ),
    sa.Index("ix_alert_raised", "raised_at", "id"),
    comment="A threshold that was passed, with the rule as it was. At most one per rule is open.",
)


# --- the ticket list ------------------------------------------------------------------------------------------

# Status and priority first: each of their values is a range, in which the newest rows are next to each other.
_LISTED = (ticket.c.status, ticket.c.priority)
sa.Index("ix_ticket_list_updated", *_LISTED, ticket.c.updated_at, ticket.c.id)
sa.Index("ix_ticket_list_created", *_LISTED, ticket.c.created_at, ticket.c.id)
sa.Index("ix_ticket_assignee_updated", ticket.c.assignee_id, *_LISTED, ticket.c.updated_at, ticket.c.id)
sa.Index("ix_ticket_assignee_created", ticket.c.assignee_id, *_LISTED, ticket.c.created_at, ticket.c.id)
sa.Index("ix_ticket_queue_updated", ticket.c.queue_id, *_LISTED, ticket.c.updated_at, ticket.c.id)
sa.Index("ix_ticket_queue_created", ticket.c.queue_id, *_LISTED, ticket.c.created_at, ticket.c.id)
