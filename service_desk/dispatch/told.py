"""What the router decided, for the log and the figures: after it is stored, once, by the node that stored it."""

from collections.abc import Sequence
from typing import Any

import structlog

from routing.commands import OfferAccepted, OfferDeclined
from routing.decisions import Decision, OfferExpired, OfferMade, OfferWithdrawn
from service_desk.actions.offers import Refusal
from service_desk.measures import Measures

OUTCOMES = {OfferMade: "made", OfferExpired: "expired", OfferWithdrawn: "withdrawn"}
ANSWERS = {OfferAccepted.__name__: "accepted", OfferDeclined.__name__: "declined"}

log = structlog.get_logger(__name__)


def tell_command(command: dict[str, Any], measures: Measures) -> None:
    """What agents answered, or took by hand; `command` as the log has it."""
    outcome = ANSWERS.get(command["kind"]) or ("pulled" if command.get("why") == "pulled" else None)
    if outcome is not None:
        measures.offers.labels(outcome).inc()


def tell_decisions(decisions: Sequence[Decision], refused: Sequence[Refusal], measures: Measures) -> None:
    """Offers made and taken back; what came too late for the rows is `refused`, and was made to nobody."""
    late = {id(decision) for decision, _ in refused}
    for decision in decisions:
        if isinstance(decision, OfferMade | OfferExpired | OfferWithdrawn):
            outcome = "refused" if id(decision) in late else OUTCOMES[type(decision)]
            measures.offers.labels(outcome).inc()
            offer = decision.offer
            log.info("offer", outcome=outcome, interaction=offer.item, agent=offer.agent, offer=offer.id)
