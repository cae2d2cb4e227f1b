"""Which contacts somebody may see: asked by every query that shows what was said in one."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from service_desk.domain.access import Principal, allowed
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader

OFFER = schema.offer
INTERACTION = schema.interaction

_RINGING = Prepared(
    sa.select(OFFER.c.interaction_id).where(
        OFFER.c.agent_id == sa.bindparam("agent"), OFFER.c.state == "pending"
    )
)
_OWNERS = Prepared(
    sa.select(INTERACTION.c.id, INTERACTION.c.agent_id).where(
        INTERACTION.c.id.in_(sa.bindparam("ids", expanding=True))
    )
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Those of theirs and those that ring at them, or any."""

    who: Principal
    everything: bool
    ringing: frozenset[str]

    def may_see(self, interaction_id: str | None, owner_id: str | None) -> bool:
        """The same question as for the contact's own page; a note on a case belongs to no contact."""
        if interaction_id is None:
            return allowed(self.who, "ticket.read")
        if interaction_id in self.ringing and allowed(self.who, "contact.handle"):
            return True
        return allowed(self.who, "contact.handle", owner_id=owner_id or "")

    def unseen(self, reader: Reader, ids: Iterable[str]) -> frozenset[str]:
        """Those of the contacts that they may not see."""
        asked = sorted(set(ids))
        if self.everything or not asked:
            return frozenset()
        rows = reader.all(_OWNERS, {"ids": asked})
        return frozenset(row["id"] for row in rows if not self.may_see(row["id"], row["agent_id"]))


def reach_of(reader: Reader, who: Principal) -> Reach:
    """What `who` may see now."""
    if allowed(who, "contact.read_any"):
        return Reach(who, everything=True, ringing=frozenset())
    rows = reader.all(_RINGING, {"agent": who.agent_id})
    return Reach(who, everything=False, ringing=frozenset(row["interaction_id"] for row in rows))
