"""event archive

Expands only: contract a release later.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON().with_variant(JSONB(), "postgresql")

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event_archive",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_event_archive")),
        comment="The log's beginning, moved out of the followers' way. With `event` after it, it is the whole log.",
    )
    op.create_index("ix_visitor_seen_at", "visitor", ["seen_at"], unique=False)


def downgrade() -> None:
    """What was archived goes back into the log."""
    op.execute(
        "INSERT INTO event (position, at, kind, subject, actor, data) "
        "SELECT position, at, kind, subject, actor, data FROM event_archive"
    )
    op.drop_index("ix_visitor_seen_at", table_name="visitor")
    op.drop_table("event_archive")
