"""`service-desk config`: the desk's rules as a file. The server may run meanwhile, but not on SQLite when it writes."""

import contextlib
import json
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from service_desk.cli.base import (
    Sentence,
    Whole,
    clear_errors,
    config_option,
    counted,
    open_store,
    settings_url,
)

SHOWN_CHARACTERS = 200


@click.group("config")
def config_group() -> None:
    """The rules that are in force: queues, lines, menus, reasons. Show, check, compare, publish, roll back.

    \b
    Examples:
        service-desk config show > rules.json
        service-desk config check rules.json
        service-desk config diff rules.json
        service-desk config publish rules.json
        service-desk config roll-back 3
    """


file_argument = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@config_group.command("show")
@click.option("--version", type=Whole(1), help="An earlier one; the one in force, if left out.")
@config_option
def show(config: Path | None, version: int | None) -> None:
    """Print a version as JSON, as `publish` takes it: with its number, so that nobody's work is undone unseen."""
    from service_desk.queries.configs import config_view  # noqa: PLC0415 - as all below: --help should be quick

    with clear_errors(), open_store(settings_url(config)) as store:
        view = store.read(config_view, version)
        if view is None:
            raise Sentence(f"There is no version {version}: service-desk config versions lists them.")
        click.echo(json.dumps({"version": view.version, **view.body}, indent=2, ensure_ascii=False))


@config_group.command("versions")
@config_option
def versions(config: Path | None) -> None:
    """List the last 50 versions, the newest first, with who published each and the note of its draft."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from service_desk.queries.configs import published_lines  # noqa: PLC0415

    with clear_errors(), open_store(settings_url(config)) as store:
        for line in store.read(published_lines, 50):
            at = datetime.fromtimestamp(line.at / 1_000_000, UTC)
            shown = (
                f"{line.version:>6}  {line.state:<9}  {at:%Y-%m-%d %H:%M:%S} UTC  {line.who:<12}  {line.note}"
            )
            click.echo(shown.rstrip())


@config_group.command("check")
@file_argument
@config_option
def check(file: Path, config: Path | None) -> None:
    """Say everything that is wrong with a file (TOML or JSON), in itself and with who and what is here.

    Also if its `version` is not the one in force, for then `publish` refuses it.
    """
    from service_desk.actions.config_drafts import moved_on, problems_of  # noqa: PLC0415

    with clear_errors(), open_store(settings_url(config)) as store:
        body = _body(file)
        problems = store.read(problems_of, body)
        moved = moved_on(body, store.read(lambda reader: reader.config.version))
        _say(problems)
        if moved is not None:
            click.echo(f"version: {moved}")
        if problems or moved is not None:
            faults = counted(len(problems) + (moved is not None), "fault")
            raise Sentence(f"{faults} in {file}, which cannot be published so.")
        click.echo(f"{file} can be published.")


@config_group.command("diff")
@file_argument
@config_option
def diff(file: Path, config: Path | None) -> None:
    """Say what a file would change. One that cannot be read as a configuration is not compared."""
    from service_desk.actions.config_drafts import moved_on  # noqa: PLC0415
    from service_desk.domain.config_check import checked  # noqa: PLC0415
    from service_desk.domain.config_diff import differences  # noqa: PLC0415
    from service_desk.queries.configs import config_view  # noqa: PLC0415

    with clear_errors(), open_store(settings_url(config)) as store:
        body = _body(file)
        view = store.read(config_view, None)
        moved = moved_on(body, view.version)
        if moved is not None:
            click.echo(f"Warning: {moved}", err=True)
        after, problems = checked(body)
        if after is None:
            _say(problems)
            raise Sentence(f"{counted(len(problems), 'fault')} in {file}, which is therefore not compared.")
        # with the values that a file leaves out, so that only what means something else differs
        found = list(differences(view.body, after.model_dump(mode="json", exclude={"version"})))
        for one in found:
            click.echo("\n".join(_lines(one.path, one.kind, one.before, one.after)))
        if not found:
            click.echo("Nothing differs.")


@config_group.command("publish")
@file_argument
@config_option
def publish(file: Path, config: Path | None) -> None:
    """Put a file in force. A `version` in it must be the one in force. On SQLite no server may run meanwhile."""
    from service_desk.actions.config_drafts import publish_file  # noqa: PLC0415

    with clear_errors():
        url = settings_url(config)
        with _alone(url), open_store(url) as store:
            click.echo(f"Version {store.run(publish_file, _body(file), file.name)} is in force.")


@config_group.command("roll-back")
@click.argument("version", type=Whole(1))
@config_option
def roll_back(version: int, config: Path | None) -> None:
    """Put an earlier version in force again, as a new one. On SQLite no server may run meanwhile."""
    from service_desk.actions import config_drafts  # noqa: PLC0415

    with clear_errors():
        url = settings_url(config)
        with _alone(url), open_store(url) as store:
            made = store.run(lambda tx: config_drafts.roll_back(tx, version, tx.config.version))
            click.echo(f"Version {made} is in force, with the rules of version {version}.")


@contextlib.contextmanager
def _alone(url: str) -> Iterator[None]:
    """No server works on the file meanwhile; else Sentence, which says what can be done beside one."""
    from service_desk.storage.file_lock import FileInUse, only_server  # noqa: PLC0415

    with contextlib.ExitStack() as held:
        try:
            held.enter_context(only_server(url))
        except FileInUse as error:
            raise Sentence(
                f"{error} Beside a running server the rules are changed by its API: a draft by POST "
                "/api/v1/config/drafts, see docs/api.md."
            ) from None
        yield


def _body(file: Path) -> dict[str, Any]:
    """The document of a file. Raises Sentence."""
    written = "JSON" if file.suffix == ".json" else "TOML"
    try:
        text = file.read_text(encoding="utf-8")
        body = json.loads(text) if written == "JSON" else tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise Sentence(
            f"{file} cannot be read: it must be TOML, or JSON with a name that ends in .json. "
            f"As {written}: {error}."
        ) from None
    if not isinstance(body, dict):
        raise Sentence(f"{file} holds a {type(body).__name__}; a configuration is an object.")
    return body


def _say(problems: Iterable[tuple[str, str]]) -> None:
    for field, words in problems:
        click.echo(f"{field}: {words}")


def _lines(path: str, kind: str, before: Any, after: Any) -> Iterator[str]:
    yield f"{path}: {kind}"
    if kind != "added":
        yield f"  - {_short(before)}"
    if kind != "removed":
        yield f"  + {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 4] + " ..."
