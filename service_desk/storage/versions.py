"""Which schema version a database is at, and which one this build wants."""

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from service_desk.errors import Unavailable
from service_desk.storage.file_lock import sqlite_file
from service_desk.storage.store import normal_url


def newest_version() -> str | None:
    """The newest migration of this build."""
    from alembic.config import Config  # noqa: PLC0415 - only set-up needs it, and it is slow to import
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", "service_desk.storage:migrations")
    return ScriptDirectory.from_config(config).get_current_head()


def current_version(url: str) -> str | None:
    """The database's version; None if it has no tables. Unavailable if it cannot be reached."""
    path = sqlite_file(url)
    if path is not None and not path.exists():
        return None  # looking would make the file
    engine = sa.create_engine(normal_url(url), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            version: str | None = connection.execute(
                sa.text("SELECT version_num FROM alembic_version")
            ).scalar()
            return version
    except DBAPIError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise Unavailable(f"The database {where} cannot be reached: {error.orig}.") from error
    finally:
        engine.dispose()
