"""Addresses of customers, and whose contact it is."""

from service_desk.actions import identities
from service_desk.domain.access import Principal, require
from service_desk.domain.page_views import AddressView, CandidatesView
from service_desk.domain.views import CardView, InteractionView
from service_desk.errors import Invalid
from service_desk.queries.cards import card
from service_desk.queries.identities import candidates, read_address
from service_desk.queries.interactions import interaction_view
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.inputs import NewAddress, Typed, WhoseContact
from service_desk.web.api.rights import require_contact
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found

routes = Routes("identities")
OF_CUSTOMER = "/api/v1/customers/{customer_id}/identities"
OF_CONTACT = "/api/v1/interactions/{interaction_id}"


@routes.get("/api/v1/addresses", needs="customer.read")
def find_address(reader: Reader, query: Typed) -> AddressView:
    """How a typed phone number or mail address is understood, and whose it is already."""
    view = read_address(reader, query.address, query.customer_id)
    if view is None:
        raise Invalid("This is neither a phone number nor a mail address.", field="address")
    return view


@routes.post(OF_CUSTOMER, needs="customer.write")
def link_identity(tx: Tx, customer_id: str, body: NewAddress) -> CardView:
    """Another address of the customer; again changes nothing but the proof. The card as it is now."""
    identities.link_address(tx, customer_id, body.address, body.proof)
    return found(card(reading(tx), customer_id))


@routes.delete(OF_CUSTOMER + "/{identity_id}", needs="customer.write", status=200)
def unlink_identity(tx: Tx, customer_id: str, identity_id: str) -> CardView:
    """The address is not theirs. The card as it is now."""
    identities.unlink_address(tx, customer_id, identity_id)
    return found(card(reading(tx), customer_id))


@routes.get(OF_CONTACT + "/candidates", needs="contact.handle")
def get_candidates(reader: Reader, who: Principal, interaction_id: str) -> CandidatesView:
    """Whom a contact may be from, and why."""
    require(who, "customer.read")
    require_contact(reader, who, interaction_id)
    return found(candidates(reader, interaction_id))


@routes.post(OF_CONTACT + "/customer", needs="contact.handle")
def set_customer(tx: Tx, who: Principal, interaction_id: str, body: WhoseContact) -> InteractionView:
    """This contact is somebody else's: it moves to their record with all that was said in it."""
    require(who, "customer.write")
    require_contact(reading(tx), who, interaction_id)
    if body.customer_id is not None:
        identities.set_customer(tx, interaction_id, body.customer_id, remember=body.remember)
    else:
        identities.set_new_customer(tx, interaction_id, body.name or "", remember=body.remember)
    return found(interaction_view(reading(tx), interaction_id))
