"""pages: indexes of the ticket list

Expands only.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LISTED = ["status", "priority"]
INDEXES = {
    "ix_ticket_list_updated": [*LISTED, "updated_at", "id"],
    "ix_ticket_list_created": [*LISTED, "created_at", "id"],
    "ix_ticket_assignee_updated": ["assignee_id", *LISTED, "updated_at", "id"],
    "ix_ticket_assignee_created": ["assignee_id", *LISTED, "created_at", "id"],
    "ix_ticket_queue_updated": ["queue_id", *LISTED, "updated_at", "id"],
    "ix_ticket_queue_created": ["queue_id", *LISTED, "created_at", "id"],
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, "ticket", columns)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "ticket")
