"""`service-desk config`: the desk's rules as a file. The server may run meanwhile, but not on SQLite when it writes."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from service_desk.cli.base import Sentence, clear_errors, config_option, open_store, settings_url

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
@click.option("--version", type=click.IntRange(1), help="An earlier one; the one in force, if left out.")
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
    """List the last 50 versions, the newest first."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from service_desk.queries.configs import versions_page  # noqa: PLC0415

    with clear_errors(), open_store(settings_url(config)) as store:
        for line in store.read(versions_page, None, 50).items:
            at = datetime.fromtimestamp(line.at / 1_000_000, UTC)
            click.echo(f"{line.version:>6}  {line.state:<9}  {at:%Y-%m-%d %H:%M:%S} UTC  {line.actor}")


@config_group.command("check")
@file_argument
@config_option
def check(file: Path, config: Path | None) -> None:
    """Say everything that is wrong with a file (TOML or JSON), in itself and with who and what is here."""
    from service_desk.actions.config_drafts import problems_of  # noqa: PLC0415

    with clear_errors(), open_store(settings_url(config)) as store:
        problems = store.read(problems_of, _body(file))
        for field, words in problems:
            click.echo(f"{field}: {words}")
        if problems:
            raise Sentence(f"{len(problems)} found in {file}; nothing was changed.")
        click.echo(f"{file} can be published.")


@config_group.command("diff")
@file_argument
@config_option
def diff(file: Path, config: Path | None) -> None:
    """Say what a file would change."""
    from service_desk.domain.config_diff import differences  # noqa: PLC0415
    from service_desk.queries.configs import config_view  # noqa: PLC0415

    with clear_errors(), open_store(settings_url(config)) as store:
        view = store.read(config_view, None)
        found = list(differences(view.body, _whole(_body(file))))
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
    from service_desk.storage.file_lock import only_server  # noqa: PLC0415

    with clear_errors():
        url = settings_url(config)
        with only_server(url), open_store(url) as store:
            click.echo(f"Version {store.run(publish_file, _body(file))} is in force.")


@config_group.command("roll-back")
@click.argument("version", type=click.IntRange(1))
@config_option
def roll_back(version: int, config: Path | None) -> None:
    """Put an earlier version in force again, as a new one. On SQLite no server may run meanwhile."""
    from service_desk.actions import config_drafts  # noqa: PLC0415
    from service_desk.storage.file_lock import only_server  # noqa: PLC0415

    with clear_errors():
        url = settings_url(config)
        with only_server(url), open_store(url) as store:
            made = store.run(lambda tx: config_drafts.roll_back(tx, version, tx.config.version))
            click.echo(f"Version {made} is in force, with the rules of version {version}.")


def _body(file: Path) -> dict[str, Any]:
    """The document of a file. Raises Sentence."""
    try:
        text = file.read_text(encoding="utf-8")
        body = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise Sentence(f"{file} cannot be read: {error}. It is TOML, or JSON if its name ends so.") from None
    if not isinstance(body, dict):
        raise Sentence(f"{file} holds a {type(body).__name__}; a configuration is an object.")
    return body


def _whole(body: dict[str, Any]) -> dict[str, Any]:
    """With the values that a file leaves out, so that only what means something else differs."""
    from service_desk.actions.config_drafts import checked  # noqa: PLC0415

    found, _ = checked(body)
    return body if found is None else found.model_dump(mode="json", exclude={"version"})


def _lines(path: str, kind: str, before: Any, after: Any) -> Iterator[str]:
    yield f"{path}: {kind}"
    if kind != "added":
        yield f"  - {_short(before)}"
    if kind != "removed":
        yield f"  + {_short(after)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 4] + " ..."
