"""A supervisor's hand: contacts move, agents are told their state, alerts are taken care of."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from service_desk.actions import alerts as alert_acts
from service_desk.actions import supervision
from service_desk.domain.access import Principal
from service_desk.domain.supervision_views import (
    AgentForcedView,
    AlertsNowView,
    AlertsView,
    FloorView,
    LiveContactView,
)
from service_desk.domain.views import AlertView
from service_desk.queries import alerts, floor
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.changes import telling
from service_desk.web.api.inputs import Id, Input, Key, Page, tidy
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found

routes = Routes("supervision")
ONE = "/api/v1/interactions/{interaction_id}"
Reason = Annotated[
    str, StringConstraints(min_length=1, max_length=supervision.REASON_CHARACTERS), AfterValidator(tidy)
]


class Move(Input):
    """Where to, and why."""

    queue_id: Key
    reason: Reason


class Assign(Input):
    """To whom, and why."""

    agent_id: Id
    reason: Reason


class Prioritise(Input):
    """So many minutes ahead of its medium's usual place, and why."""

    head_start_min: int = Field(ge=supervision.HEAD_START_MIN[0], le=supervision.HEAD_START_MIN[1])
    reason: Reason


class ForcedState(Input):
    """Away needs an `away_reason` of the configuration; `reason` says why you step in."""

    state: Literal["ready", "away", "signed_out"]
    away_reason: Key | None = None
    reason: Reason


class AlertsPage(Page):
    """So many alerts at a time."""

    limit: int = Field(50, ge=1, le=200)


@routes.get("/api/v1/floor", needs="contact.direct")
def get_floor(reader: Reader) -> FloorView:
    """Contacts that are not over, at most a second old."""
    return floor.floor_view(reader)


@routes.post(ONE + "/move", needs="contact.direct")
def move_contact(tx: Tx, interaction_id: str, body: Move, version: int) -> LiveContactView:
    """Into another queue; what rings is withdrawn, who has it loses it. 412 with `current` if it changed meanwhile."""
    with telling(lambda: floor.live_contact(reading(tx), interaction_id)):
        supervision.move_contact(tx, interaction_id, version, body.queue_id, body.reason)
    return found(floor.live_contact(reading(tx), interaction_id))


@routes.post(ONE + "/assign", needs="contact.direct")
def assign_contact(tx: Tx, interaction_id: str, body: Assign, version: int) -> LiveContactView:
    """To an agent who is ready and there, without an offer. 412 with `current` if it changed meanwhile."""
    with telling(lambda: floor.live_contact(reading(tx), interaction_id)):
        supervision.assign_contact(tx, interaction_id, version, body.agent_id, body.reason)
    return found(floor.live_contact(reading(tx), interaction_id))


@routes.post(ONE + "/prioritise", needs="contact.direct")
def prioritise_contact(tx: Tx, interaction_id: str, body: Prioritise, version: int) -> LiveContactView:
    """A head start in its line. 412 with `current` if it changed meanwhile."""
    with telling(lambda: floor.live_contact(reading(tx), interaction_id)):
        supervision.prioritise_contact(tx, interaction_id, version, body.head_start_min, body.reason)
    return found(floor.live_contact(reading(tx), interaction_id))


@routes.post("/api/v1/agents/{agent_id}/state", needs="agent.direct")
def force_state(tx: Tx, agent_id: str, body: ForcedState, version: int) -> AgentForcedView:
    """Ready, away or signed out, by a supervisor's word."""

    def current() -> AgentForcedView | None:
        row = tx.get(supervision.AGENT, agent_id)
        return None if row is None else AgentForcedView(**supervision.told(row))

    with telling(current):
        row = supervision.force_state(tx, agent_id, version, body.state, body.away_reason, body.reason)
    return AgentForcedView(**supervision.told(row))


@routes.get("/api/v1/alerts", needs="alert.acknowledge")
def list_alerts(reader: Reader, query: AlertsPage) -> AlertsView:
    """All alerts, the newest first."""
    return alerts.alerts_page(reader, query.before, query.limit)


@routes.get("/api/v1/alerts/now", needs="alert.acknowledge")
def alerts_now(reader: Reader) -> AlertsNowView:
    """Those that are raised now."""
    return alerts.alerts_now(reader)


@routes.post("/api/v1/alerts/{alert_id}/acknowledge", needs="alert.acknowledge")
def acknowledge_alert(tx: Tx, who: Principal, alert_id: str, version: int) -> AlertView:
    """Say that you look after it; the first one's name stays."""
    with telling(lambda: alerts.alert_view(reading(tx), alert_id)):
        alert_acts.acknowledge(tx, alert_id, version, who.agent_id)
    return found(alerts.alert_view(reading(tx), alert_id))
