"""messages: threads, mail, texts, files and drafts

Expands only.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("quoted", sa.Text(), nullable=True),
        sa.Column("html", sa.Text(), nullable=True),
        sa.Column("envelope", Json, nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("message", column)
    op.create_index("ix_message_provider_id", "message", ["provider_id"])
    op.create_table(
        "thread",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("interaction_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("contacts", sa.Integer(), nullable=False),
        sa.Column("last_message_id", sa.Text(), nullable=True),
        sa.Column("references", Json, nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_thread")),
        comment="What a mail answers or a number's texts belong to, over all of its contacts; its id is its first "
        "contact's. `number` is the customer's where a number has one thread (texts), else null.",
    )
    op.create_index(op.f("ix_thread_customer_id"), "thread", ["customer_id"])
    op.create_index("ix_thread_peer", "thread", ["account", "peer"])
    op.create_index("ix_thread_number", "thread", ["account", "number"], unique=True)
    op.create_table(
        "attachment",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("interaction_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.Text(), nullable=False),
        sa.Column("content_id", sa.Text(), nullable=True),
        sa.Column("inline", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
        comment="A file of a message; `message_id` is null while it waits to be sent. The bytes lie in the blob store.",
    )
    for name in ("interaction_id", "message_id", "blob"):
        op.create_index(op.f(f"ix_attachment_{name}"), "attachment", [name])
    op.create_table(
        "draft",
        sa.Column("interaction_id", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("interaction_id", name=op.f("pk_draft")),
        comment="What somebody has typed and not sent yet: it goes with the contact, whoever has it.",
    )
    op.create_table(
        "text_consent",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("opted_out", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account", "number", name=op.f("pk_text_consent")),
        comment="Whether a number wants texts of ours: the newest word counts.",
    )


def downgrade() -> None:
    for table in ("text_consent", "draft", "attachment", "thread"):
        op.drop_table(table)
    op.drop_index("ix_message_provider_id", table_name="message")
    for column in ("tries", "error", "provider_id", "envelope", "html", "quoted"):
        op.drop_column("message", column)
