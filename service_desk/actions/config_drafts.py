"""Changing the desk's rules at run time: draft, check, compare, publish, roll back.

A draft is a whole configuration that is not in force. It may be wrong while it is written; what is published never
is. A draft says which version it was made from: if another one was published since, publishing it would undo that
unseen, so it is refused until its author has compared it with that one and says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from service_desk.actions import admin, agents
from service_desk.domain import config_faults
from service_desk.domain.config import DeskConfig
from service_desk.domain.config_check import read
from service_desk.domain.config_faults import Problem
from service_desk.domain.interaction import LIVE
from service_desk.errors import Conflict, Invalid, NotFound, StaleVersion
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Row, Tx

CONFIG, DRAFT, AGENT = schema.config_version, schema.config_draft, schema.agent
NOTE_CHARACTERS = 500
DRAFTS_MOST = 50
"""So many drafts at a time: each is a whole configuration."""
PROBLEMS_MOST = 50


def problems_of(look: Tx | Reader, body: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with a document: in itself, and of what can be read with who and what is here."""
    found = read(body)
    problems = list(found.problems)
    if found.config is not None:
        doubtful = {f"queues.{queue}" for queue in found.doubtful}
        problems += [each for each in unservable(look, found.config) if each[0] not in doubtful]
    return problems[:PROBLEMS_MOST]


def unservable(look: Tx | Reader, config: DeskConfig) -> list[Problem]:
    """What nobody who is here could ever serve, and queues that are still needed.

    Skills are what the colleagues have: one that nobody has is unknown. A desk without colleagues is not asked.
    """
    known = {queue.id for queue in config.queues}
    waiting = look.all(
        sa.select(schema.interaction.c.queue_id, sa.func.count().label("open"))
        .where(schema.interaction.c.state.in_(sorted(LIVE)))
        .group_by(schema.interaction.c.queue_id)
    )
    problems = [
        (
            f"queues.{row['queue_id']}",
            f"{_not_over(row['open'])}: keep it until then, or move them",
        )
        for row in waiting
        if row["queue_id"] is not None and row["queue_id"] not in known
    ]
    staff = look.all(sa.select(AGENT).where(AGENT.c.active.is_(True)))
    if staff:
        for line in config.phone_lines:
            problems += _missing_skills(line.account, line.requires, staff)
        anytime = config.model_copy(update={"shifts": {}})  # who could ever serve, whatever their shift
        problems += config_faults.unservable(
            config, [agents.agent_for(row, anytime, look.now) for row in staff]
        )
        logins = {row["login"] for row in staff}
        problems += [
            (f"shifts.{login}", "nobody has this login") for login in config.shifts if login not in logins
        ]
    return problems


def _not_over(contacts: int) -> str:
    return (
        "1 contact of this queue is not over"
        if contacts == 1
        else f"{contacts:,} contacts of this queue are not over"
    )


def _missing_skills(
    account: str, requires: Mapping[str, int], staff: Sequence[sa.RowMapping]
) -> list[Problem]:
    problems: list[Problem] = []
    for skill, level in requires.items():
        field = f"phone_lines.{account}.requires.{skill}"
        best = max((row["skills"].get(skill, 0) for row in staff), default=0)
        if best == 0:
            problems.append((field, "nobody has this skill: give it to a colleague first, or leave it out"))
        elif best < level:
            problems.append((field, f"nobody has it at level {level}; the best has {best}"))
    return problems


# --- drafts ---------------------------------------------------------------------------------------------------


def new_draft(tx: Tx, body: Mapping[str, Any] | None, note: str, base_version: int | None = None) -> Row:
    """A draft of what is in force, or of a document that was made elsewhere, in sight of `base_version`."""
    _one_at_a_time(tx)
    if (tx.scalar(sa.select(sa.func.count()).select_from(DRAFT)) or 0) >= DRAFTS_MOST:
        raise Conflict(
            f"There are {DRAFTS_MOST} drafts: publish or delete one first.", code="too_many_drafts"
        )
    row: dict[str, Any] = {
        "id": tx.new_id("cfd"),
        "base_version": tx.config.version if base_version is None else base_version,
        "note": note,
        "at": tx.now,
        "actor": tx.actor,
        "body": _without_version(tx.config.model_dump(mode="json") if body is None else body),
        "version": 1,
    }
    tx.write(sa.insert(DRAFT), row)
    tx.audit("config.drafted", row["id"])
    return row  # type: ignore[return-value]  # a dict reads like a row


def _one_at_a_time(tx: Tx) -> None:
    """Who counts drafts waits for who adds one on another node: by the row of the first version, which never goes."""
    tx.all(sa.select(CONFIG.c.version).order_by(CONFIG.c.version).limit(1).with_for_update())


def save_draft(
    tx: Tx,
    draft_id: str,
    version: int,
    body: Mapping[str, Any],
    note: str | None = None,
    base_version: int | None = None,
) -> Row:
    """Another text for a draft. Its base stays, unless its author says which version they have compared it with.

    Raises NotFound and StaleVersion.
    """
    row = _must_get(tx, draft_id, version)
    values: dict[str, Any] = {"body": _without_version(body), "at": tx.now, "actor": tx.actor}
    if note is not None:
        values["note"] = note
    if base_version is not None:
        values["base_version"] = base_version
    return tx.change(DRAFT, row, **values)


def drop_draft(tx: Tx, draft_id: str) -> None:
    """Forget a draft; one that is gone is gone."""
    if tx.get(DRAFT, draft_id) is not None:
        tx.write(sa.delete(DRAFT).where(DRAFT.c.id == draft_id))
        tx.audit("config.draft_dropped", draft_id)


def publish_draft(tx: Tx, draft_id: str, version: int) -> int:
    """Put a draft in force, for what waits already too; the new version.

    Raises Conflict (base_moved) if something was published since it was saved, and Invalid for what is wrong in it.
    """
    tx.own_rules()
    row = _must_get(tx, draft_id, version)
    if row["base_version"] != tx.config.version:
        raise Conflict(
            f"Version {tx.config.version} was published after this draft was saved on version {row['base_version']}: "
            f"look at what differs, and save the draft with base_version {tx.config.version}.",
            code="base_moved",
            published=tx.config.version,
        )
    number = publish_checked(tx, row["body"], row["note"])
    tx.write(sa.delete(DRAFT).where(DRAFT.c.id == draft_id))
    return number


def roll_back(tx: Tx, to: int, in_force: int) -> int:
    """Put an earlier version in force again, as a new one. `in_force`: the version that the caller wants to leave."""
    tx.own_rules()
    if tx.config.version != in_force:
        raise StaleVersion(f"Version {tx.config.version} is in force by now.")
    row = tx.first(sa.select(CONFIG.c.body).where(CONFIG.c.version == to))
    if row is None:
        raise NotFound(f"There is no version {to}.")
    if to == in_force:
        raise Conflict(f"Version {to} is in force already.", code="in_force")
    return publish_checked(tx, row["body"], f"the rules of version {to} again")


def publish_file(tx: Tx, body: Mapping[str, Any], file: str) -> int:
    """Publish a document that may say which version it was made from. Conflict (base_moved) if that is another.

    `file`: the name that it came by, for the note.
    """
    tx.own_rules()
    moved = moved_on(body, tx.config.version)
    if moved is not None:
        raise Conflict(moved, code="base_moved", published=tx.config.version)
    return publish_checked(tx, body, f"from {file} by the command line")


def moved_on(body: Mapping[str, Any], in_force: int) -> str | None:
    """What is to be said of a file that says another `version` than the one in force; None if it can be published."""
    base = body.get("version", in_force)
    if base == in_force:
        return None
    return (
        f"Version {in_force} is in force, and this file was made from version {base}: look at what "
        "differs, and write the number of the one in force into the file."
    )


def publish_checked(tx: Tx, body: Mapping[str, Any], note: str = "") -> int:
    """Publish what is right in itself and can be served; else Invalid, with every problem. `note`: why, in words."""
    problems = problems_of(tx, body)
    if problems:
        field, words = problems[0]
        refusal = Invalid(f"{field}: {words}.", field=field)
        if len(problems) > 1:
            refusal.extras["also"] = [{"field": name, "detail": said} for name, said in problems[1:]]
        raise refusal
    return admin.publish_config(tx, _without_version(body), note)


def _must_get(tx: Tx, draft_id: str, version: int) -> Row:
    row = tx.get_for_update(DRAFT, draft_id)
    if row is None:
        raise NotFound("There is no such draft, or not any more.")
    if row["version"] != version:
        raise StaleVersion("This draft was saved by somebody else meanwhile.")
    return row


def _without_version(body: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers are given by publishing."""
    return {name: value for name, value in body.items() if name != "version"}
