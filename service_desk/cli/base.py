"""What the verbs of the command line have in common: errors as sentences, settings, the store, tables."""

import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from service_desk.errors import DeskError
from service_desk.settings import BadSettings, load_settings


class Sentence(click.ClickException):
    """An error that is one clear sentence."""

    exit_code = 1


class Misuse(Sentence):
    """The settings or the way of calling cannot be."""

    exit_code = 2


class Whole(click.IntRange):
    """A whole number within bounds, called so when it is none."""

    name = "whole number"


class Number(click.FloatRange):
    """A number within bounds, called so when it is none."""

    name = "number"


def counted(number: int, noun: str) -> str:
    """As in "1 agent" and "2,000 agents"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Refusals and the usual troubles as a sentence; anything else is a fault of ours and keeps its trace."""
    from service_desk.backup.archive import BackupError  # noqa: PLC0415 - as all below: --help should be quick
    from service_desk.demo.stage import StageError  # noqa: PLC0415
    from service_desk.storage.file_lock import FileInUse  # noqa: PLC0415

    try:
        yield
    except BadSettings as error:
        raise Misuse(str(error)) from None
    except DeskError as error:
        also = [f"{one['field']}: {one['detail']}." for one in error.extras.get("also", ())]
        raise Sentence("\n".join([error.detail, *also])) from error
    except (BackupError, FileInUse, StageError) as error:
        raise Sentence(str(error)) from None
    except OSError as error:
        raise Sentence(
            f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        ) from error


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """Without the garbage collector until the desk serves, when `settle_interpreter` brings it back.

    What start-up loads stays, and looking for garbage in it again and again took an eighth of its time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


config_option = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="SERVICE_DESK_CONFIG",
    help="Settings file (TOML). Without it: the defaults, SQLite in var/. The environment comes over both.",
)


def settings_url(config: Path | None) -> str:
    """The database's address."""
    return load_settings(config).database_url.get_secret_value()


def check_schema(url: str) -> None:
    """Raise Sentence, with the cure, unless the database has the newest schema."""
    from service_desk.storage.versions import current_version, newest_version  # noqa: PLC0415

    current, newest = current_version(url), newest_version()
    if current != newest:
        state = "is empty" if current is None else f"is at version {current} of {newest}"
        backup = ", or with a backup: service-desk restore FILE" if current is None else ""
        raise Sentence(
            f"The database {shown(url)} {state}. Run: service-desk migrate{backup}{_other_database(url)}"
        )


def _other_database(url: str) -> str:
    """People who mean the demo's database are told how to name it."""
    demo = Path("var") / "demo.sqlite3"
    if not demo.is_file() or url.endswith(demo.name):
        return ""
    return f", or for the demo's: SERVICE_DESK_DATABASE_URL=sqlite:///{demo} service-desk ..."


def shown(url: str) -> str:
    """A database's address without its password."""
    import sqlalchemy as sa  # noqa: PLC0415

    return sa.make_url(url).render_as_string(hide_password=True)


@contextlib.contextmanager
def open_store(url: str, *, upgrade: bool = False) -> Iterator[Any]:
    """The store of an address; `upgrade` makes tables and configuration, without it they must be there."""
    from service_desk.actions import admin  # noqa: PLC0415
    from service_desk.app import read_config_seed  # noqa: PLC0415
    from service_desk.clock import SystemClock  # noqa: PLC0415
    from service_desk.storage.file_lock import sqlite_file  # noqa: PLC0415
    from service_desk.storage.store import Store, migrate  # noqa: PLC0415

    if upgrade:
        path = sqlite_file(url)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        migrate(url)
    else:
        check_schema(url)
    store = Store(url, SystemClock())
    try:
        if upgrade:
            store.run(admin.seed, read_config_seed())
        yield store
    finally:
        store.close()


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Columns that line up; the last one is as long as it is."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in (head, *rows)
    )
