"""Rights: named permissions behind roles, asked through the one function `allowed`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from service_desk.errors import Forbidden

AGENT = frozenset(
    {"contact.handle", "ticket.read", "ticket.write", "customer.read", "customer.write", "board.view"}
)
SUPERVISOR = AGENT | {
    "contact.read_any",
    "contact.direct",
    "agent.read",
    "agent.direct",
    "figures.read",
    "alert.acknowledge",
    "contact.pull",
}
ADMIN = SUPERVISOR | {"config.publish", "user.manage", "audit.read", "metrics.read"}

ROLES: dict[str, frozenset[str]] = {"agent": AGENT, "supervisor": SUPERVISOR, "admin": ADMIN}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an agent with a role, in one session."""

    agent_id: str
    role: str
    session: str


def allowed(
    principal: Principal,
    permission: str,
    *,
    owner_id: str | None = None,
    more: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> bool:
    """Whether the principal may do it. With `owner_id`, to a thing of that agent: their own, or any with read_any.

    `more`: what the configuration grants to roles besides.
    """
    granted = ROLES.get(principal.role, frozenset()) | set(more.get(principal.role, ()))
    if permission not in granted:
        return False
    return owner_id is None or owner_id == principal.agent_id or "contact.read_any" in granted


def require(
    principal: Principal,
    permission: str,
    *,
    owner_id: str | None = None,
    more: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> None:
    """Raise Forbidden unless `allowed`."""
    if not allowed(principal, permission, owner_id=owner_id, more=more):
        raise Forbidden(f"This needs the permission {permission}.", permission=permission)
