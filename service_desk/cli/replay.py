"""The command `service-desk replay`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from service_desk.cli.base import Misuse, Sentence, clear_errors, config_option, open_store, settings_url
from service_desk.logs import set_up_logs

if TYPE_CHECKING:  # --help should be quick
    from service_desk.storage.store import Reader


@click.command()
@click.option("--explain", "subject", metavar="ID", help="An offer, or an interaction that waits.")
@click.option("--agent", "login", metavar="LOGIN", help='With --explain: "why not me?", for this agent.')
@click.option("--json", "as_json", is_flag=True, help="Print the explanation as JSON.")
@config_option
def replay(subject: str | None, login: str | None, *, as_json: bool, config: Path | None) -> None:
    """Apply the router's recorded steps again, and compare what is decided with what was.

    With --explain: why an offer went to whom it went, or why an interaction waits, with everybody who could have
    had it and what kept the others out. Works beside a running server. Exit code 1 if anything differs.

    \b
    Examples:
        service-desk replay
        service-desk replay --explain int_06F3ZQ.1
        service-desk replay --explain int_06F3ZQ --agent anna
        service-desk replay --explain int_06F3ZQ.1 --json
    """
    if subject is None and (login is not None or as_json):
        raise Misuse("--agent and --json go with --explain.")
    set_up_logs("warning")
    with clear_errors(), open_store(settings_url(config)) as store:
        if subject is None:
            _replay(store)
        else:
            printed, differs = store.read(_explained, subject, login, as_json=as_json)
            click.echo(printed)
            if differs:
                raise Sentence("What is recomputed is not what was recorded.")


def _replay(store: Any) -> None:
    from service_desk.audit.router import replay as replay_all  # noqa: PLC0415 - as above

    router, findings = store.read(replay_all)
    if findings:
        raise Sentence(f"{findings[0].subject}: {findings[0].detail}.")
    click.echo(
        "No router has run here yet."
        if router is None
        else "Recomputed equals recorded, since its last start."
    )


def _explained(reader: "Reader", subject: str, login: str | None, *, as_json: bool) -> tuple[str, bool]:
    """(text or JSON, whether something differs)."""
    from service_desk.audit.explain import explain, names  # noqa: PLC0415 - as above
    from service_desk.audit.explained import document, text  # noqa: PLC0415 - as above

    logins = names(reader)
    agent = next((each for each, name in logins.items() if name == login), None)
    if login is not None and agent is None:
        raise Sentence(f"There is no agent with the login {login}.")
    found = explain(reader, subject)
    if as_json:
        return json.dumps(document(found, logins, agent), indent=2), bool(found.differences)
    return text(found, logins, agent), bool(found.differences)
