"""hints: why a contact kept an earlier place, and whom it would rather have

Expands only.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

Json = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("interaction", sa.Column("hints", Json, nullable=True))


def downgrade() -> None:
    op.drop_column("interaction", "hints")
