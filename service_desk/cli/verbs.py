"""The command line: `service-desk demo`, `serve`, `migrate`, `backup`, `restore`, `user add`, `audit` and more.

Exit codes: 0 done; 1 refused, failed or (audit) something was found; 2 wrong usage or settings.
"""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from service_desk import __version__
from service_desk.cli.base import (
    Misuse,
    Number,
    Sentence,
    Whole,
    check_schema,
    clear_errors,
    config_option,
    counted,
    open_store,
    quick_start,
    settings_url,
    shown,
    table,
)
from service_desk.cli.config import config_group
from service_desk.cli.replay import replay
from service_desk.cli.simulate import simulate
from service_desk.cli.staff import staff
from service_desk.logs import LEVELS, Level, set_up_logs
from service_desk.settings import Settings, load_settings

ROLES = ("web", "route", "send")
TRAFFIC_MOST = 600.0

EXIT_CODES = "Exit codes: 0 done; 1 refused, failed or something found; 2 wrong usage or settings."


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.version_option(__version__, prog_name="service-desk")
def main() -> None:
    """An open call centre and service desk: phone, chat, mail and texts on one agent screen.

    To look at it, with invented people and a simulated telephone carrier:

        service-desk demo

    To run it on your own data:

    \b
        service-desk migrate --config desk.toml
        service-desk user add ruth --name "Ruth Keller" --role admin --config desk.toml
        service-desk serve --config desk.toml
    """


# --- demo ---------------------------------------------------------------------------------------------------


@main.command()
@click.option("--port", type=Whole(0, 65_535), default=8080, show_default=True, help="0: any free one.")
@click.option(
    "--traffic",
    type=Number(0, TRAFFIC_MOST),
    default=4.0,
    show_default=True,
    help="Customers who call by themselves, per minute; others chat, mail and text.",
)
@click.option("--seed", type=Whole(), default=7, show_default=True, help="Other people, another past.")
@click.option("--fresh", is_flag=True, help="Throw away what an earlier demo left in var/ and begin anew.")
@click.option("--log-level", type=click.Choice(LEVELS), default="warning", show_default=True)
def demo(*, port: int, traffic: float, seed: int, fresh: bool, log_level: Level) -> None:
    """Start a desk with invented people, a simulated carrier, and customers who call, chat, mail and text.

    It listens on this machine only, prints its address and logins, and keeps everything in var/ below the
    current folder. Ctrl-C stops it; the next start goes on where it was.

    \b
    Examples:
        service-desk demo
        service-desk demo --port 9000 --traffic 12
        service-desk demo --fresh --seed 42
    """
    set_up_logs(log_level)
    with clear_errors():
        _demo(Path("var"), port, traffic, seed, fresh=fresh)


def _demo(folder: Path, port: int, traffic: float, seed: int, *, fresh: bool) -> None:
    from service_desk.demo import stage  # noqa: PLC0415
    from service_desk.demo.robot_stage import ROBOTS, robot_settings, running_robots  # noqa: PLC0415
    from service_desk.demo.seed import PASSWORDS  # noqa: PLC0415
    from service_desk.storage.file_lock import only_server  # noqa: PLC0415

    folder.mkdir(exist_ok=True)
    file = folder / "demo.sqlite3"
    url = f"sqlite:///{file}"
    with only_server(url):
        port = stage.free_port(port)
        if fresh:
            for suffix in ("", "-wal", "-shm"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)
        config, people = _prepare_demo(url, seed)
        stage.check_config(config)
        carrier = stage.Carrier.new()
        base = f"http://{stage.HOST}:{port}"
        mail_port = stage.free_port(0)
        with contextlib.ExitStack() as others:
            told = carrier.settings(config, base, people, mail_port=mail_port, seed=seed)
            carrier_url = others.enter_context(stage.running_carrier(told, folder))
            mail = stage.MailPorts(mail_port, stage.customers_mail_port(carrier_url))
            settings = stage.demo_settings(
                url, folder, port, carrier_url, carrier, config, mail, ROBOTS if traffic else ()
            )
            robots = robot_settings(
                base,
                carrier_url=carrier_url,
                seed=seed,
                traffic=traffic,
                passwords=PASSWORDS,
                config=config,
                people=people,
            )

            def ready(address: str) -> None:
                click.echo(_welcome(config.brand, address, traffic))
                stage.set_traffic(carrier_url, traffic)
                if traffic:
                    others.enter_context(running_robots(robots, folder))

            _run(_serve_demo(settings, ready, others.close))
    click.echo("The demo has stopped. Its data stays in var/.")


def _prepare_demo(url: str, seed: int) -> tuple[Any, list[dict[str, Any]]]:
    """Tables, configuration, people and their past: (configuration, people to play)."""
    from service_desk.demo.seed import hash_passwords, is_empty, seed_demo  # noqa: PLC0415
    from service_desk.demo.stage import end_leftovers, people  # noqa: PLC0415

    with open_store(url, upgrade=True) as store:
        if store.read(is_empty):
            click.echo("Making the demo's people and three months of their past ...")
            made = store.run(seed_demo, seed, hash_passwords())
            click.echo(
                f"{made.agents} colleagues, {made.customers} customers, {made.interactions} contacts, "
                f"{made.tickets} tickets."
            )
        else:
            store.run(end_leftovers)
        return store.read(lambda reader: reader.config), store.read(people)


async def _serve_demo(
    settings: Settings, ready: Callable[[str], None], send_home: Callable[[], None]
) -> None:
    """Run until a signal. Carrier and robots go first, while the desk still answers, so that nobody waits."""
    from service_desk.app import running  # noqa: PLC0415

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings) as parts:
        ready(parts.address)
        await stop.wait()
        await asyncio.to_thread(send_home)


def _welcome(brand: str, address: str, traffic: float) -> str:
    from service_desk.demo.people import TEAM  # noqa: PLC0415
    from service_desk.demo.robot_stage import ROBOTS  # noqa: PLC0415
    from service_desk.demo.seed import PASSWORDS  # noqa: PLC0415

    free = [person for person in TEAM if not traffic or person.login not in ROBOTS]
    logins = {role: ", ".join(person.login for person in free if person.role == role) for role in PASSWORDS}
    width = max(map(len, PASSWORDS))
    accounts = "\n".join(
        f"        {role.ljust(width)}   password {password.ljust(22)} logins {logins[role]}"
        for role, password in PASSWORDS.items()
    )
    lively = (
        f"About {traffic:g} customers a minute call by themselves; others chat, mail and text.\n"
        f"        The other {len(ROBOTS)} colleagues are robots: they take what you leave to them."
        if traffic
        else "Nobody calls by themselves."
    )
    return f"""
{brand} is open at  {address}

    1.  Open {address} and sign in as anna, who serves all queues:

{accounts}

    2.  Set your state to Ready. {lively}
    3.  Open {address}/simulator in a second window and phone, chat, mail or text as a customer.

    The wallboard is at {address}/wallboard, and a supervisor's floor at {address}/supervisor.
    Ctrl-C stops everything; the data stays in var/.
"""


# --- serve --------------------------------------------------------------------------------------------------


def _roles(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    roles = tuple(part.strip() for part in value.split(",") if part.strip())
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        raise click.BadParameter(f"there are {', '.join(ROLES)}; write them with commas")
    return roles


@main.command()
@config_option
@click.option("--roles", callback=_roles, help="What this process does: web, route, send. All, if left out.")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--log-json/--log-text", default=None, help="JSON unless standard error is a terminal.")
def serve(
    config: Path | None, roles: tuple[str, ...] | None, log_level: Level, *, log_json: bool | None
) -> None:
    """Run the desk until it is stopped (SIGTERM, Ctrl-C).

    On SQLite one process does everything, and a second one on the same file is refused. On PostgreSQL any
    number may run; those with the roles route and send wait for their lease.

    \b
    Examples:
        service-desk serve
        service-desk serve --config desk.toml
        service-desk serve --config cluster.toml --roles web
    """
    set_up_logs(log_level, as_json=log_json)
    with quick_start(), clear_errors():
        settings = load_settings(config, **({"roles": roles} if roles is not None else {}))
        url = settings.database_url.get_secret_value()
        _check_roles(settings, url)

        from service_desk import app  # noqa: PLC0415
        from service_desk.storage.file_lock import only_server  # noqa: PLC0415

        with only_server(url):
            check_schema(url)
            _run(
                app.serve(
                    settings, on_ready=lambda address: click.echo(f"The desk answers at {address}", err=True)
                )
            )


def _check_roles(settings: Settings, url: str) -> None:
    if url.startswith("sqlite") and set(settings.roles) != set(ROLES):
        raise Misuse("On SQLite one process does everything: leave --roles out, or use PostgreSQL.")


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run on the fastest loop that there is."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:  # Windows
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


# --- the database -------------------------------------------------------------------------------------------


@main.command("migrate")
@config_option
@click.option("--no-backup", is_flag=True, help="SQLite: do not make a backup before the schema is changed.")
def migrate_command(config: Path | None, *, no_backup: bool) -> None:
    """Bring the database to the newest schema; an empty one also gets the example's queues and reasons.

    On SQLite no server may run meanwhile, and a backup is made first if there is anything to change, beside the
    database. On PostgreSQL make one yourself: service-desk backup FILE, or whatever you use at night.

    \b
    Examples:
        service-desk migrate
        SERVICE_DESK_DATABASE_URL=postgresql://desk@db/desk service-desk migrate
    """
    from service_desk.storage.file_lock import only_server  # noqa: PLC0415
    from service_desk.storage.versions import newest_version  # noqa: PLC0415

    set_up_logs("warning")
    with clear_errors():
        url = settings_url(config)
        with only_server(url):  # what a server wrote after the backup would not be in it
            if not no_backup:
                _back_up_before_migration(url)
            with open_store(url, upgrade=True):
                pass
        click.echo(f"The database is at version {newest_version()}.")


def _back_up_before_migration(url: str) -> None:
    """Of an SQLite file that is about to change. Its messages' files are left out: no migration touches them."""
    from service_desk.backup.save import save  # noqa: PLC0415
    from service_desk.clock import SystemClock  # noqa: PLC0415
    from service_desk.storage.file_lock import sqlite_file  # noqa: PLC0415
    from service_desk.storage.versions import current_version, newest_version  # noqa: PLC0415

    path, current = sqlite_file(url), current_version(url)
    if path is None or current in {None, newest_version()}:
        return
    now = SystemClock().now()
    backup = path.with_name(f"{path.stem}-{current}-{now // 1_000_000}.backup")
    save(url, backup, None, now, _tell)
    click.echo(f"The database as it was, at version {current}, is in {backup}.", err=True)


# --- backup -------------------------------------------------------------------------------------------------


def _tell(progress: str) -> None:
    click.echo(progress, err=True)


@main.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--no-files", is_flag=True, help="Leave out the files of messages, if var/blobs is kept elsewhere."
)
@config_option
def backup_command(file: Path, config: Path | None, *, no_files: bool) -> None:
    """Write the whole desk into one new file, beside a running server or without one.

    The rows are those of one moment. The file holds personal data, fits SQLite and PostgreSQL, and is readable
    for its owner only. Settings and their secrets are not in it.

    \b
    Examples:
        service-desk backup desk.backup
        service-desk backup --config desk.toml "/backups/desk-$(date +%F).backup"
    """
    from service_desk.backup.save import save  # noqa: PLC0415
    from service_desk.blobs.files import open_blobs  # noqa: PLC0415
    from service_desk.clock import SystemClock  # noqa: PLC0415
    from service_desk.storage.versions import current_version  # noqa: PLC0415

    set_up_logs("warning")
    with clear_errors():
        settings = load_settings(config)
        url = settings.database_url.get_secret_value()
        if current_version(url) is None:
            raise Sentence(f"The database {shown(url)} is empty: there is nothing to back up.")
        blobs = None if no_files else open_blobs(settings)
        made = save(url, file, blobs, SystemClock().now(), _tell)
        rows = sum(part.rows for part in made.tables.values())
        files = "no files" if made.files is None else f"{made.files.count:,} files"
        click.echo(f"{file}: {rows:,} rows and {files}, schema {made.schema_version}.")
        if made.files is not None and made.files.missing:
            lost = len(made.files.missing)
            raise Sentence(
                f"The backup is complete but for {counted(lost, 'file')} of messages that "
                f"var_dir does not hold (any more); the first is {made.files.missing[0]}."
            )


@main.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--moved",
    is_flag=True,
    help="The old desk has not run since the backup: what waits to be sent is sent. Without it, it counts as "
    "possibly sent.",
)
@config_option
def restore_command(file: Path, config: Path | None, *, moved: bool) -> None:
    """Fill an empty database from a backup: all of it, or nothing.

    The backup may come from SQLite or PostgreSQL and from an older release. Everybody signs in anew. Nothing is
    sent twice: texts that were waiting are looked up with the provider, mails are shown as of unknown outcome.

    \b
    Examples:
        service-desk restore desk.backup
        SERVICE_DESK_DATABASE_URL=postgresql://desk@db/desk service-desk restore --moved desk.backup
    """
    from service_desk.backup.restore import restore  # noqa: PLC0415
    from service_desk.blobs.files import open_blobs  # noqa: PLC0415
    from service_desk.clock import SystemClock  # noqa: PLC0415
    from service_desk.storage.file_lock import only_server  # noqa: PLC0415
    from service_desk.storage.versions import current_version, newest_version  # noqa: PLC0415

    set_up_logs("warning")
    with clear_errors():
        settings = load_settings(config)
        url = settings.database_url.get_secret_value()
        with only_server(url):
            current_version(url)  # says in one sentence if it cannot be reached
            made = restore(url, file, open_blobs(settings), SystemClock().now(), _tell, moved=moved)
        rows = sum(part.rows for part in made.tables.values())
        click.echo(f"{rows:,} rows of {made.made_at} are in {shown(url)}, at version {newest_version()}.")
        click.echo("Now run: service-desk audit")


@main.group()
def user() -> None:
    """People with an account."""


def _names(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def _skills(_context: click.Context, _parameter: click.Parameter, value: str | None) -> dict[str, int]:
    skills = {}
    for part in (value or "").split(","):
        name, _, level = part.strip().partition("=")
        if name and level in {"", *"12345"}:
            skills[name] = int(level or 1)
        elif part.strip():
            raise click.BadParameter("write skills like german=4,english=5 with levels from 1 to 5")
    return skills


@user.command("add")
@click.argument("login")
@click.option("--name", required=True, help="As colleagues and customers see it.")
@click.option(
    "--role", type=click.Choice(["agent", "supervisor", "admin"]), default="agent", show_default=True
)
@click.option("--queues", callback=_names, help="Ids with commas. All queues, if left out.")
@click.option("--skills", callback=_skills, help="Like german=4,english=5; levels from 1 to 5.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input instead of asking."
)
@config_option
def add_user(
    login: str,
    *,
    name: str,
    role: str,
    queues: list[str] | None,
    skills: dict[str, int],
    password_stdin: bool,
    config: Path | None,
) -> None:
    """Add somebody who can sign in. Asks for the password, of 10 to 200 characters.

    \b
    Examples:
        service-desk user add anna --name "Anna Lindqvist" --queues service,repair --skills german=4
        pass show desk/ruth | service-desk user add ruth --name "Ruth Keller" --role admin --password-stdin
    """
    from service_desk.actions import admin  # noqa: PLC0415
    from service_desk.web.sessions import hash_password  # noqa: PLC0415

    set_up_logs("warning")
    with clear_errors(), open_store(settings_url(config)) as store:
        password = _password(from_stdin=password_stdin)
        row = store.run(
            admin.add_user,
            login=login,
            name=name,
            password_hash=hash_password(password),
            role=role,
            queues=queues,
            skills=skills,
        )
        click.echo(f"{row['name']} can sign in as {row['login']} ({row['role']}).")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    entered: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return entered


@main.command("audit")
@config_option
def audit_command(config: Path | None) -> None:
    """Compare rows, log and router; say what does not fit. Changes nothing, and may run beside a server.

    \b
    Examples:
        service-desk audit
        service-desk audit --config desk.toml && echo all well
    """
    from service_desk.audit import audit  # noqa: PLC0415

    set_up_logs("warning")
    with clear_errors(), open_store(settings_url(config)) as store:
        found = store.read(audit)
    if not found:
        click.echo("Nothing wrong: rows, log and router agree.")
        return
    click.echo(
        table(("CHECK", "SUBJECT", "FINDING"), [(each.check, each.subject, each.detail) for each in found])
    )
    raise Sentence(f"{counted(len(found), 'finding')}.")


@main.command()
@config_option
def reindex(config: Path | None) -> None:
    """Make the search index anew from the rows, beside a running server or without one; waits until it is done.

    People go on searching in the old index meanwhile.

    \b
    Examples:
        service-desk reindex
        service-desk reindex --config desk.toml
    """
    from service_desk.background.indexer import reindex as make_anew  # noqa: PLC0415
    from service_desk.bus.local import LocalBus  # noqa: PLC0415
    from service_desk.clock import SystemClock  # noqa: PLC0415
    from service_desk.desk import Desk  # noqa: PLC0415
    from service_desk.lease import DatabaseLease, SoleLease  # noqa: PLC0415
    from service_desk.storage.file_lock import FileInUse, only_server  # noqa: PLC0415

    set_up_logs("warning")
    with clear_errors(), contextlib.ExitStack() as stack:
        url = settings_url(config)
        desk = Desk(stack.enter_context(open_store(url)), LocalBus(), SystemClock())
        lease: SoleLease | DatabaseLease | None
        if desk.store.dialect == "sqlite":
            try:
                stack.enter_context(only_server(url))
                lease = SoleLease("search", desk, "reindex")
            except FileInUse:  # the server that has it does the work
                lease = None
        else:
            lease = DatabaseLease("search", url, "reindex", desk.clock)  # whoever holds it does the work
            stack.callback(lambda: asyncio.run(lease.close()))
        _run(make_anew(desk, lease))
    click.echo("The search index is new.")


# --- descriptions -------------------------------------------------------------------------------------------


@main.command()
def openapi() -> None:
    """Print the HTTP API as an OpenAPI document (JSON)."""
    from service_desk.web.routes import operations  # noqa: PLC0415
    from service_desk.web.schemas import openapi_document  # noqa: PLC0415

    _show(openapi_document(operations()))


@main.command("events-schema")
def events_schema() -> None:
    """Print what the sockets and the log carry as JSON Schema."""
    from service_desk.web.schemas import events_document  # noqa: PLC0415

    _show(events_document())


def _show(document: bytes) -> None:
    """JSON for people and for comparing: indented, names in order."""
    click.echo(json.dumps(json.loads(document), indent=2, sort_keys=True))


main.add_command(config_group)
main.add_command(replay)
main.add_command(simulate)
main.add_command(staff)
