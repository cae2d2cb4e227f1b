"""What an error of the database means for the action that met it."""

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError

from service_desk.errors import Unavailable
from service_desk.storage.transaction import StaleRow

LOST = frozenset({"40P01", "40001", "55P03"})
"""PostgreSQL's words for: a deadlock was broken, a row moved, a row was held for too long."""


def is_lost(error: Exception) -> bool:
    """Whether the connection broke. Before the commit began this means that nothing was done."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def unsure(error: Exception) -> Unavailable:
    """The connection broke during the commit: done or not, nobody knows, so it is not run again here."""
    unavailable = Unavailable(
        "The database went away while this was being saved. Look whether it is there before you try again."
    )
    unavailable.__cause__ = error
    return unavailable


def worth_another_try(error: Exception) -> bool:
    """Lost a race: a version moved, a unique key was taken, a row was held, or the database broke a deadlock."""
    if isinstance(error, StaleRow | IntegrityError):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in LOST


def as_desk_error(error: Exception) -> Exception:
    """A database that is away, or a race lost again and again, is a refusal with a cure.

    Any other error is a fault of ours and stays one.
    """
    if isinstance(error, StaleRow) or (isinstance(error, DBAPIError) and _is_away(error)):
        unavailable = Unavailable("The database cannot take this now. Nothing was changed; try again.")
        unavailable.__cause__ = error
        return unavailable
    return error


def _is_away(error: DBAPIError) -> bool:
    """Locked, full, read-only, unreachable: not our statement's fault."""
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        return isinstance(error, OperationalError) and name != "SQLITE_ERROR"  # that one is wrong SQL
    return isinstance(error, OperationalError | InterfaceError)
