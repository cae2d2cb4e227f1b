"""A router with its clock, and words for what tests do all the time."""

from routing import commands as c
from routing import decisions as d
from routing.invariants import check
from routing.model import SECOND, Micros, Policy, QueuePolicy
from routing.router import Router
from tests.routing.worlds import START

POLICY = Policy(
    version=7,
    queues=(
        QueuePolicy("billing", target=20 * SECOND, ring=15 * SECOND, decline_pause=30 * SECOND),
        QueuePolicy("repair", target=80 * SECOND, ring=25 * SECOND),
        QueuePolicy("sales", target=20 * SECOND, priority=2),
    ),
)


class Floor:
    """Every command is followed by a check of all invariants."""

    def __init__(self, *commands: c.Command, policy: Policy = POLICY) -> None:
        self.router = Router(policy)
        self.now = START
        self.do(*commands)

    def do(self, *commands: c.Command, after: Micros = 0) -> list[d.Decision]:
        """The decisions of all these commands."""
        self.now += after
        found: list[d.Decision] = []
        for command in commands:
            found += self.router.apply(command, self.now)
            check(self.router)
        return found

    def rings(self) -> dict[str, str]:
        """Item: agent."""
        return {offer.item: offer.agent for offer in self.router.pending_offers()}

    def accept(self, name: str) -> list[d.Decision]:
        offer = next(offer for offer in self.router.pending_offers() if offer.item == name)
        return self.do(c.OfferAccepted(offer.id, offer.item, offer.agent))

    def decline(self, name: str) -> list[d.Decision]:
        offer = next(offer for offer in self.router.pending_offers() if offer.item == name)
        return self.do(c.OfferDeclined(offer.id, offer.item, offer.agent))


def kinds(decisions: list[d.Decision]) -> list[str]:
    return [type(decision).__name__ for decision in decisions]
