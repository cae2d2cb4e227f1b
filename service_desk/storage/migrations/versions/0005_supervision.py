"""supervision

Expands only. What the new columns of segments say of the past follows from its other columns.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PUT_BACK = """
UPDATE segment SET entered = false WHERE EXISTS (
    SELECT 1 FROM segment AS earlier
    WHERE earlier.interaction_id = segment.interaction_id AND earlier.id < segment.id
)
"""
IN_TARGET = """
UPDATE segment SET in_target = (COALESCE(answered_at, ended_at) - queued_at <= target_s * 1000000)
WHERE answered_at IS NOT NULL OR outcome = 'abandoned'
"""
OPEN = sa.text("cleared_at IS NULL")
SEGMENT_BEFORE = "One stay of an interaction in one queue with at most one agent. Metrics count segments."
SEGMENT = (
    "One stay of an interaction in one queue with at most one agent. Metrics count segments that `entered` their "
    "queue: those of a contact that was put back are none. `in_target`: answered or abandoned within the target."
)


def upgrade() -> None:
    op.add_column("interval_count", sa.Column("moved_out", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("segment", sa.Column("entered", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("segment", sa.Column("in_target", sa.Boolean(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.create_table_comment("segment", SEGMENT, existing_comment=SEGMENT_BEFORE)
    op.execute(PUT_BACK)
    op.execute(IN_TARGET)
    op.create_index("ix_segment_queued", "segment", ["queued_at", "id"], unique=False)
    op.create_table(
        "figure_sample",
        sa.Column("at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("longest_wait_s", sa.Integer(), nullable=False),
        sa.Column("service_level_pct", sa.Float(), nullable=True),
        sa.Column("abandoned", sa.Integer(), nullable=False),
        sa.Column("agents_ready", sa.Integer(), nullable=False),
        sa.Column("occupancy_pct", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("at", name=op.f("pk_figure_sample")),
        comment="The wallboard's six figures once a minute, for its trends. `at` is the start of the minute.",
    )
    op.create_table(
        "alert",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("figure", sa.Text(), nullable=False),
        sa.Column("queue_id", sa.Text(), nullable=True),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("raise_at", sa.Float(), nullable=False),
        sa.Column("clear_at", sa.Float(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.Column("cleared_at", sa.BigInteger(), nullable=True),
        sa.Column("clear_reason", sa.Text(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        comment="A threshold that was passed, with the rule as it was. At most one per rule is open.",
    )
    op.create_index(
        "ix_alert_open", "alert", ["rule_id"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_index("ix_alert_raised", "alert", ["raised_at", "id"], unique=False)


def downgrade() -> None:
    """Alerts and trends are lost; figures and segments are as they were before."""
    op.drop_table("alert")
    op.drop_table("figure_sample")
    op.drop_index("ix_segment_queued", table_name="segment")
    op.drop_column("segment", "in_target")
    op.drop_column("segment", "entered")
    if op.get_bind().dialect.name == "postgresql":
        op.create_table_comment("segment", SEGMENT_BEFORE, existing_comment=SEGMENT)
    op.drop_column("interval_count", "moved_out")
