"""Runs migrations on an open connection, inside the transaction that its owner began."""

import sqlalchemy as sa


def upgrade(connection: sa.Connection, revision: str) -> None:
    """Bring the database to a revision, or to "head". Raises what the migrations raise."""
    from alembic import command  # noqa: PLC0415  # only set-up needs it, and it is slow to import
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "service_desk.storage:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
