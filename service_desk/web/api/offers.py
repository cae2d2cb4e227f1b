"""Offers: the agent takes one or leaves it."""

from collections.abc import Mapping
from typing import Any

from service_desk.actions import offers
from service_desk.domain.access import Principal
from service_desk.domain.views import InteractionView
from service_desk.queries.interactions import interaction_view
from service_desk.storage.transaction import Foreseen, Tx
from service_desk.web.api.inputs import Decline
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found

routes = Routes("offers")


def _foreseen_accept(arguments: Mapping[str, Any]) -> list[Foreseen]:
    return offers.foreseen_accept(arguments["offer_id"], arguments["who"].agent_id)


@routes.post("/api/v1/offers/{offer_id}/accept", needs="contact.handle", foresees=_foreseen_accept)
def accept_offer(tx: Tx, who: Principal, offer_id: str) -> InteractionView:
    """Take the contact. 409 offer_closed, with the reason, if it is too late."""
    row = offers.accept_offer(tx, offer_id, who.agent_id)
    return found(interaction_view(reading(tx), row["id"]))


@routes.post("/api/v1/offers/{offer_id}/decline", needs="contact.handle")
def decline_offer(tx: Tx, who: Principal, offer_id: str, body: Decline) -> None:
    """Leave it to somebody else, with a reason; the customer keeps their place."""
    offers.decline_offer(tx, offer_id, who.agent_id, body.reason)
