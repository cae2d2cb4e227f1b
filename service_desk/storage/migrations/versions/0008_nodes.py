"""nodes: a row for each page of a visitor and its node; what a node does

Expands only. Nodes of the version before go on writing `interaction.visitor_online` by themselves; their visitors get
rows when they come back to a node of this one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PAGES = "The pages of chat visitors: while one is open somewhere, the visitor is there."


def upgrade() -> None:
    op.create_table(
        "visitor_connection",
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("visitor_id", sa.Text(), nullable=False),
        sa.Column("connected_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_visitor_connection"),
        comment=PAGES,
    )
    op.create_index("ix_visitor_connection_node_id", "visitor_connection", ["node_id"])
    op.create_index("ix_visitor_connection_visitor_id", "visitor_connection", ["visitor_id"])
    op.add_column("node", sa.Column("roles", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("node", "roles")
    op.drop_index("ix_visitor_connection_visitor_id", "visitor_connection")
    op.drop_index("ix_visitor_connection_node_id", "visitor_connection")
    op.drop_table("visitor_connection")
