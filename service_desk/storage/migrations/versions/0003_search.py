"""search

Expands only. The index is empty afterwards: its follower fills it from the rows when it starts.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Words = sa.Text().with_variant(TSVECTOR(), "postgresql")

# Words come folded and separated by spaces: marks are letters here, so that nothing is folded or cut again.
FTS5 = """
CREATE VIRTUAL TABLE search_index USING fts5(
    words, content='search_doc', content_rowid='number', columnsize=0,
    tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* Co'"
)
"""
TRIGGERS = (
    """
    CREATE TRIGGER search_doc_inserted AFTER INSERT ON search_doc BEGIN
        INSERT INTO search_index (rowid, words) VALUES (new.number, new.words);
    END
    """,
    """
    CREATE TRIGGER search_doc_deleted AFTER DELETE ON search_doc BEGIN
        INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words);
    END
    """,
)


def upgrade() -> None:
    op.create_table(
        "search_doc",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=True),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("words", Words, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_search_doc")),
        sa.UniqueConstraint("id", name=op.f("uq_search_doc_id")),
        comment="What search looks in, made from the rows it names and never the truth. `number` sorts by time. Rows are "
        "inserted and deleted, never updated.",
    )
    op.create_index("ix_search_doc_customer_id", "search_doc", ["customer_id"], unique=False)
    op.create_index("ix_search_doc_kind_number", "search_doc", ["kind", "number"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            "ix_search_doc_words",
            "search_doc",
            ["words"],
            unique=False,
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
        )
        return
    op.execute(FTS5)
    for trigger in TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    """What is indexed can be made again."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_index")
    op.drop_table("search_doc")
    op.execute("DELETE FROM cursor WHERE name = 'search'")
