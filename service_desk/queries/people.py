"""Who works here, and what their console needs to know once."""

from collections.abc import Collection, Sequence
from typing import Literal

import sqlalchemy as sa

from service_desk.domain.access import ROLES, Principal
from service_desk.domain.views import (
    LIVE_SCHEMA,
    AgentStateView,
    BootstrapView,
    MeView,
    NamedView,
    QueueView,
)
from service_desk.errors import NotFound
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.statements import by_key
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen

AGENT = schema.agent
SESSION = schema.session

Softphone = Literal["simulator", "twilio", "none"]


def me_view(reader: Reader, agent_id: str) -> MeView:
    """The agent as they see themselves; NotFound if there is none."""
    row = reader.get(AGENT, agent_id)
    if row is None:
        raise NotFound(f"There is no agent {agent_id}.")
    return me_from(row)


def foreseen_me(agent_id: str) -> Foreseen:
    """What `me_view` asks."""
    return Foreseen(by_key(AGENT), {"key": agent_id})


_PEOPLE = Prepared(sa.select(AGENT).where(AGENT.c.id.in_(sa.bindparam("agents", expanding=True))))


def me_views(reader: Reader, agents: Sequence[str]) -> dict[str, MeView]:
    """`me_view` of each of them; NotFound if there is none for one."""
    found = {row["id"]: me_from(row) for row in reader.all(_PEOPLE, {"agents": list(agents)})}
    if missing := set(agents) - found.keys():
        raise NotFound(f"There is no agent {min(missing)}.")
    return found


def foreseen_people(agents: Sequence[str]) -> Foreseen:
    """What `me_views` asks."""
    return Foreseen(_PEOPLE, {"agents": list(agents)})


def me_from(row: sa.RowMapping) -> MeView:
    """A row of the agent table."""
    return MeView(
        id=row["id"],
        name=row["name"],
        login=row["login"],
        role=row["role"],
        permissions=sorted(ROLES[row["role"]]),
        language=row["language"],
        queues=row["queues"],
        skills=row["skills"],
        capacity=row["capacity"],
        state=AgentStateView(chosen=row["chosen"], reason=row["reason"], since=row["chosen_at"]),
        version=row["version"],
    )


def bootstrap(reader: Reader, softphone: Softphone) -> BootstrapView:
    """Names from the configuration and the people to choose from."""
    config = reader.config
    named = reader.all(sa.select(AGENT.c.id, AGENT.c.name).where(AGENT.c.active).order_by(AGENT.c.name))
    return BootstrapView(
        live_schema=LIVE_SCHEMA,
        server_time=reader.now,
        brand=config.brand,
        time_zone=config.time_zone,
        queues=[
            QueueView(id=queue.id, name=queue.name, brand_id=queue.brand_id, wrap_up_s=queue.wrap_up_s)
            for queue in config.queues
        ],
        away_reasons=[NamedView(id=item.id, name=item.name) for item in config.away_reasons],
        decline_reasons=[NamedView(id=item.id, name=item.name) for item in config.decline_reasons],
        dispositions=[NamedView(id=item.id, name=item.name) for item in config.dispositions],
        agents=[NamedView(id=row["id"], name=row["name"]) for row in named],
        mailboxes=[box.address for box in config.mailboxes],
        softphone=softphone,
    )


def login_row(reader: Reader, login: str) -> sa.RowMapping | None:
    """The active agent of a login name: id, password_hash, role."""
    statement = sa.select(AGENT).where(AGENT.c.login == login.strip().casefold(), AGENT.c.active)
    return reader.first(statement)


def login_of_session(reader: Reader, fingerprint: str) -> str | None:
    """Whose session this is or was, ended ones included; None if there was none, or it is long ago."""
    statement = sa.select(AGENT.c.login).join(SESSION, SESSION.c.agent_id == AGENT.c.id)
    login: str | None = reader.scalar(statement.where(SESSION.c.fingerprint == fingerprint))
    return login


_SESSION = Prepared(
    sa.select(SESSION, AGENT.c.role, AGENT.c.login)
    .join(AGENT, AGENT.c.id == SESSION.c.agent_id)
    .where(
        SESSION.c.fingerprint == sa.bindparam("fingerprint"),
        SESSION.c.revoked_at.is_(None),
        SESSION.c.expires_at > sa.bindparam("now", type_=SESSION.c.expires_at.type),
        AGENT.c.active,
    )
)


def sessions_in_force(reader: Reader, fingerprints: Collection[str]) -> set[str]:
    """Those of these sessions that are neither revoked nor expired, and whose agent is active."""
    rows = reader.all(
        sa.select(SESSION.c.fingerprint)
        .join(AGENT, AGENT.c.id == SESSION.c.agent_id)
        .where(
            SESSION.c.fingerprint.in_(fingerprints),
            SESSION.c.revoked_at.is_(None),
            SESSION.c.expires_at > reader.now,
            AGENT.c.active,
        )
    )
    return {row["fingerprint"] for row in rows}


_PRINCIPALS = Prepared(
    sa.select(SESSION.c.fingerprint, SESSION.c.agent_id, AGENT.c.role)
    .join(AGENT, AGENT.c.id == SESSION.c.agent_id)
    .where(
        SESSION.c.fingerprint.in_(sa.bindparam("fingerprints", expanding=True)),
        SESSION.c.revoked_at.is_(None),
        SESSION.c.expires_at > sa.bindparam("now", type_=SESSION.c.expires_at.type),
        AGENT.c.active,
    )
)


def principals(reader: Reader, fingerprints: Collection[str]) -> dict[str, Principal]:
    """Fingerprint -> who has that session, of those in force."""
    rows = reader.all(_PRINCIPALS, {"fingerprints": sorted(fingerprints), "now": reader.now})
    return {row["fingerprint"]: Principal(row["agent_id"], row["role"], row["fingerprint"]) for row in rows}


def session_row(reader: Reader, fingerprint: str) -> sa.RowMapping | None:
    """A session in force, joined with its agent's role: None if revoked, expired or the agent is not active."""
    return reader.first(_SESSION, {"fingerprint": fingerprint, "now": reader.now})
