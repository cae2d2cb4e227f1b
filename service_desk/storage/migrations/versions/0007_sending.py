"""sending: a thread is found by its newest contact

Expands only.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_thread_interaction_id", "thread", ["interaction_id"])


def downgrade() -> None:
    op.drop_index("ix_thread_interaction_id", "thread")
