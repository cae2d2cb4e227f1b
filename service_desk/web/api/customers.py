"""Customers: the card, its older history, and the record."""

from service_desk.actions import customers
from service_desk.domain.views import CardView, CustomerView, TimelinePageView
from service_desk.queries.cards import card, customer_view
from service_desk.queries.timeline import timeline_page
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.changes import telling
from service_desk.web.api.inputs import CustomerChange, Page
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found

routes = Routes("customers")
ONE = "/api/v1/customers/{customer_id}"
TIMELINE_PAGE = 50


@routes.get(ONE, needs="customer.read")
def get_customer(reader: Reader, customer_id: str) -> CardView:
    """The customer's card, as it comes with an offer."""
    return found(card(reader, customer_id))


@routes.patch(ONE, needs="customer.write")
def change_customer(tx: Tx, customer_id: str, body: CustomerChange, version: int) -> CustomerView:
    """Change some fields of the record. 412 with `current` if somebody was faster."""
    with telling(lambda: customer_view(reading(tx), customer_id)):
        customers.change_customer(tx, customer_id, version, body.model_dump(exclude_unset=True))
    return found(customer_view(reading(tx), customer_id))


@routes.get(ONE + "/timeline", needs="customer.read")
def get_timeline(reader: Reader, customer_id: str, query: Page) -> TimelinePageView:
    """A page of the customer's history, newest first."""
    found(customer_view(reader, customer_id))
    return timeline_page(reader, customer_id, query.before, TIMELINE_PAGE)
