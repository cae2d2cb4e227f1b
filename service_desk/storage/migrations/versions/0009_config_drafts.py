"""config drafts: configurations that are being written

Expands only.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

Json = sa.JSON().with_variant(JSONB(), "postgresql")
DRAFTS = "A configuration that is being written, made in sight of the published `base_version`."
VERSIONS = "Queues, menus, reasons: {}published (one) or retired. Decisions cite the version."


def upgrade() -> None:
    op.create_table(
        "config_draft",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_config_draft"),
        comment=DRAFTS,
    )
    _say("", "draft, ")


def downgrade() -> None:
    _say("draft, ", "")
    op.drop_table("config_draft")


def _say(now: str, before: str) -> None:
    """SQLite keeps no comments."""
    if op.get_bind().dialect.name != "sqlite":
        op.create_table_comment(
            "config_version", VERSIONS.format(now), existing_comment=VERSIONS.format(before)
        )
