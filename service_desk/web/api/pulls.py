"""What waits, for those who may take it by hand."""

from pydantic import Field

from service_desk.actions.pull import pull_contact
from service_desk.domain.access import Principal, allowed, require
from service_desk.domain.supervision_views import WaitingView
from service_desk.domain.views import InteractionView
from service_desk.queries.interactions import interaction_view
from service_desk.queries.waiting import MOST, waiting_view
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.inputs import Input
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found, there

routes = Routes("interactions")
PULL = "contact.pull"


class WaitingPage(Input):
    """So many at most."""

    limit: int = Field(50, ge=1, le=MOST)


@routes.get("/api/v1/waiting", needs="contact.handle")
def get_waiting(reader: Reader, who: Principal, query: WaitingPage) -> WaitingView:
    """What waits, with place and expected wait: in one's own queues, for supervisors in all. Needs `contact.pull`."""
    config = reader.config
    require(who, PULL, more=config.more_rights())
    queues = [queue.id for queue in config.queues]
    if not allowed(who, "contact.direct"):
        mine = set(there(reader.get(schema.agent, who.agent_id))["queues"])
        queues = [queue for queue in queues if queue in mine]
    return waiting_view(reader, queues, query.limit)


@routes.post("/api/v1/interactions/{interaction_id}/pull", needs="contact.handle")
def pull_interaction(tx: Tx, who: Principal, interaction_id: str) -> InteractionView:
    """Take a contact that waits, out of its turn. Needs `contact.pull`; it is counted."""
    require(who, PULL, more=tx.config.more_rights())
    row = pull_contact(tx, interaction_id, who.agent_id)
    return found(interaction_view(reading(tx), row["id"]))
