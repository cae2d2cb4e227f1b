"""callbacks: when a caller asked for one, and which of our calls to a customer a leg is

Expands only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("interaction", sa.Column("callback_at", sa.BigInteger(), nullable=True))
    op.add_column("call_leg", sa.Column("dial", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("call_leg", "dial")
    op.drop_column("interaction", "callback_at")
