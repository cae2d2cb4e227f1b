"""queue_live.places: how many contacts of each medium those who are ready may have at once

Expands only.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0010"
branch_labels = None
depends_on = None

Json = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("queue_live", sa.Column("places", Json, nullable=True))


def downgrade() -> None:
    op.drop_column("queue_live", "places")
