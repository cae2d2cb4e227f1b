"""sending: a thread is found by its newest contact; what was tried, in which turn, and what nobody knows of it

Expands only; an index of open effects is made anew with the kind in front.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

OPEN = "done_at IS NULL"
OPEN_SEND = "done_at IS NULL AND NOT (kind <> 'send_message')"
EFFECTS = (
    "`started_at`: its first claim. For messages: `tried_at` is when the newest request left, `unsure` "
    "whether an earlier one may have been carried out."
)
MESSAGES = (
    "What was said, and system lines. `message_no` numbers what the customer sees; notes are another table."
)
MESSAGES_NOW = f"{MESSAGES} `former_ids` are the provider's ids of earlier attempts."


def upgrade() -> None:
    op.create_index("ix_thread_interaction_id", "thread", ["interaction_id"])
    op.add_column("effect", sa.Column("started_at", sa.BigInteger(), nullable=True))
    op.add_column("effect", sa.Column("tried_at", sa.BigInteger(), nullable=True))
    op.add_column("effect", sa.Column("unsure", sa.Boolean(), server_default=sa.false(), nullable=False))
    # What an older version has sent without settling it, or could not settle, may have been carried out.
    op.execute(
        "UPDATE effect SET unsure = TRUE, started_at = created_at, tried_at = due_at "
        "WHERE done_at IS NULL AND kind = 'send_message' AND state IN ('sent', 'unknown')"
    )
    op.drop_index("ix_effect_open", "effect")
    _index("ix_effect_open", "effect", ["kind", "due_at"], OPEN)
    _index("ix_effect_sends", "effect", ["account", "due_at", "position"], OPEN_SEND)
    _index("ix_effect_turns", "effect", ["subject", "position"], OPEN_SEND)
    op.add_column("message", sa.Column("former_ids", Json, nullable=True))
    _index("ix_message_sending", "message", ["at"], "status = 'sending'")
    if op.get_bind().dialect.name == "postgresql":
        op.create_table_comment("effect", EFFECTS)
        op.create_table_comment("message", MESSAGES_NOW, existing_comment=MESSAGES)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.create_table_comment("message", MESSAGES, existing_comment=MESSAGES_NOW)
        op.drop_table_comment("effect", existing_comment=EFFECTS)
    op.drop_index("ix_message_sending", "message")
    op.drop_column("message", "former_ids")
    op.drop_index("ix_effect_turns", "effect")
    op.drop_index("ix_effect_sends", "effect")
    op.drop_index("ix_effect_open", "effect")
    _index("ix_effect_open", "effect", ["due_at"], OPEN)
    op.drop_column("effect", "unsure")
    op.drop_column("effect", "tried_at")
    op.drop_column("effect", "started_at")
    op.drop_index("ix_thread_interaction_id", "thread")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
