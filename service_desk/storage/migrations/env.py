"""Alembic's entry: runs in-process over the connection that `migrate` opened.

All steps are one transaction, on both dialects: a migration that was killed has changed nothing, and the next try
begins where that one had. SQLite could do that all along, but its driver begins no transaction before DDL, so we do.
"""

from typing import Any

import sqlalchemy as sa
from alembic import context

from service_desk.killpoint import killpoint
from service_desk.storage.schema import metadata

connection: sa.Connection = context.config.attributes["connection"]
sqlite = connection.dialect.name == "sqlite"


@sa.event.listens_for(connection, "before_cursor_execute")
def on_statement(*_: Any) -> None:
    """Each statement is a place at which a migration may be killed."""
    killpoint("migrate.before_statement")


driver: Any = connection.connection.dbapi_connection
if sqlite and driver.isolation_level is not None:  # a connection on which nobody says BEGIN yet
    driver.isolation_level = None  # it would commit of itself before DDL
    if connection.in_transaction():
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @sa.event.listens_for(connection, "begin")
    def on_begin(begun: sa.Connection) -> None:
        """What the driver leaves to us."""
        begun.exec_driver_sql("BEGIN IMMEDIATE")


context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=sqlite,
    compare_type=False,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
