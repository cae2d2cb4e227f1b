"""People, sessions and configuration."""

from typing import Any

import sqlalchemy as sa

from routing.commands import AgentGone
from service_desk.actions import agents, in_force
from service_desk.domain import events
from service_desk.domain.access import ROLES
from service_desk.domain.config import DeskConfig
from service_desk.errors import Conflict, Invalid
from service_desk.storage import schema
from service_desk.storage.transaction import Row, Tx

AGENT = schema.agent
SESSION = schema.session
CONFIG = schema.config_version
PASSWORD_CHARACTERS = (10, 200)
MEDIA_CAPACITY = {"phone": 1, "web_chat": 3, "email": 5, "sms": 3}


def check_password(password: str) -> None:
    """Invalid unless it is of a length that can be a secret."""
    least, most = PASSWORD_CHARACTERS
    if not least <= len(password) <= most:
        raise Invalid(f"A password has {least} to {most} characters.", field="password")


def add_user(
    tx: Tx,
    *,
    login: str,
    name: str,
    password_hash: str,
    role: str,
    language: str = "en",
    queues: list[str] | None = None,
    skills: dict[str, int] | None = None,
    capacity: dict[str, int] | None = None,
) -> Row:
    """A new person with an account; signed out."""
    login = login.strip().casefold()
    if not login or len(login) > 100 or " " in login:
        raise Invalid("login is a word of at most 100 characters.", field="login")
    if role not in ROLES:
        raise Invalid(f"role is one of {', '.join(ROLES)}.", field="role")
    if tx.scalar(sa.select(AGENT.c.id).where(AGENT.c.login == login)) is not None:
        raise Conflict(f"The login {login} is taken.", field="login", code="login_taken")
    known = {queue.id for queue in tx.config.queues}
    wanted = sorted(known) if queues is None else queues
    if unknown := set(wanted) - known:
        raise Invalid(f"queues: there is no queue {', '.join(sorted(unknown))}.", field="queues")
    row: dict[str, Any] = {
        "id": tx.new_id("agt"),
        "login": login,
        "name": name.strip() or login,
        "password_hash": password_hash,
        "role": role,
        "language": language,
        "active": True,
        "queues": wanted,
        "skills": skills or {},
        "capacity": capacity or dict(MEDIA_CAPACITY),
        "chosen": "away",
        "reason": agents.SIGNED_OUT,
        "chosen_at": tx.now,
        "idle_since": tx.now,
        "lost_at": None,
        "version": 1,
    }
    tx.write(sa.insert(AGENT), row)
    tx.audit("user.added", row["id"], role=role)
    return row  # type: ignore[return-value]  # a dict reads like a row


def open_session(tx: Tx, agent_id: str, fingerprint: str, csrf: str, expires_at: int) -> Row:
    """A signed-in browser; the agent starts away and says ready when they are."""
    row = agents.must_get(tx, agent_id)
    tx.write(
        sa.insert(SESSION),
        {
            "fingerprint": fingerprint,
            "agent_id": agent_id,
            "csrf": csrf,
            "created_at": tx.now,
            "expires_at": expires_at,
            "revoked_at": None,
        },
    )
    if row["reason"] == agents.SIGNED_OUT:
        row = tx.change(AGENT, row, chosen="away", reason="signed_in", chosen_at=tx.now)
        tx.emit(events.AgentStateChanged(agent_id, "away", "signed_in"))
    tx.audit("session.opened", agent_id)
    return row


def revoke_session(tx: Tx, fingerprint: str, reason: str) -> None:
    """The session is over at once; its sockets are closed by who reads the event. The last one signs the agent out."""
    session = tx.first(
        sa.select(SESSION).where(SESSION.c.fingerprint == fingerprint, SESSION.c.revoked_at.is_(None))
    )
    if session is None:
        return
    agent_id = session["agent_id"]
    agents.must_get(tx, agent_id)
    tx.write(sa.update(SESSION).where(SESSION.c.fingerprint == fingerprint).values(revoked_at=tx.now))
    tx.emit(events.SessionRevoked(agent_id, fingerprint[:16], reason))
    tx.audit("session.revoked", agent_id, reason=reason)
    others = sa.select(SESSION.c.fingerprint).where(
        SESSION.c.agent_id == agent_id, SESSION.c.revoked_at.is_(None), SESSION.c.expires_at > tx.now
    )
    if tx.scalar(others.limit(1)) is None:
        agents.send_away(tx, agent_id, agents.SIGNED_OUT)
        tx.route(AgentGone(agent_id))


def publish_config(tx: Tx, body: dict[str, Any], note: str = "") -> int:
    """Check a configuration and put it in force; its version. The one before stays, retired. `note` is kept with it."""
    tx.own_rules()
    version = 1 + (tx.scalar(sa.select(sa.func.max(CONFIG.c.version))) or 0)
    config = DeskConfig.model_validate({**body, "version": version})
    before = tx.config if version > 1 else None
    tx.write(sa.update(CONFIG).where(CONFIG.c.state == "published").values(state="retired"))
    tx.write(
        sa.insert(CONFIG),
        {
            "version": version,
            "state": "published",
            "at": tx.now,
            "actor": tx.actor,
            "body": config.model_dump(mode="json"),
        },
    )
    tx.forget_config()
    tx.emit(events.ConfigPublished(str(version)))
    in_force.take_effect(tx, before, config)
    tx.audit("config.published", str(version), note=note)
    return version


def seed(tx: Tx, body: dict[str, Any]) -> int | None:
    """Publish the first configuration if there is none; its version, or None."""
    if tx.scalar(sa.select(CONFIG.c.version).limit(1)) is not None:
        return None
    return publish_config(tx, body)
