"""What a supervisor's screens are sent: live contacts, what figures are made of, intervals, alerts."""

from typing import Literal

from pydantic import Field

from service_desk.domain.views import AlertView, Micros, View


class LiveContactView(View):
    """One contact that is not over, as a row to act on."""

    id: str
    channel: str
    state: str
    title: str
    queue_id: str | None
    agent_id: str | None = Field(description="Who has it.")
    rings_at: str | None = Field(description="To whom it is offered right now.")
    head_start_min: int = Field(description="Minutes ahead of its medium's usual place.")
    since: Micros = Field(description="Since when it is in this state.")
    queued_at: Micros | None
    answered_at: Micros | None
    tier: str | None
    callback: bool = Field(description="The caller asked to be called back instead of waiting on the line.")
    version: int


class FloorView(View):
    """What a supervisor can take hold of: waiting ones first, in the order of their line; at most 100."""

    at: Micros
    position: int
    contacts: list[LiveContactView]
    total: int


class CountedContactView(View):
    """One contact that a figure is made of: its stay in one queue."""

    id: str
    segment_id: str
    channel: str
    title: str
    state: str
    queue_id: str
    agent_id: str | None
    queued_at: Micros
    answered_at: Micros | None
    ended_at: Micros | None
    wait_s: float = Field(description="Until answered, left or moved; until now for one that waits.")
    in_target: bool | None
    outcome: str | None


class CountedPageView(View):
    """The contacts that a figure is made of, a page at a time."""

    figure: str
    since: Micros | None = Field(description="Waits that began at or after it; None: whoever is there now.")
    until: Micros | None
    total: int
    items: list[CountedContactView]
    more: str | None


class IntervalView(View):
    """A queue's figures of 15 minutes; shares from 0 to 1, null where nothing can be divided."""

    queue_id: str
    start: Micros
    offered: int
    answered: int
    answered_in_target: int
    abandoned: int
    abandoned_in_target: int
    moved_out: int
    average_wait_s: float | None
    service_level_of_offered: float | None
    service_level_without_short_abandons: float | None
    service_level_of_answered: float | None


class WaitingContactView(View):
    """One contact that waits. `position` counts from 1 in its queue, whatever its medium."""

    id: str
    channel: str
    title: str
    queue_id: str
    state: Literal["queued", "offered"]
    queued_at: Micros
    waited_s: float
    position: int
    expected_wait_s: int | None = Field(description="From now on; null if nobody knows.")
    wait_basis: Literal["ringing", "model", "head_age", "unknown"] = Field(
        description="model: places, handling time and patience of now (QLm). head_age: nobody serves the queue, so the "
        "age of the first in line."
    )


class WaitingView(View):
    """The first of each line before the second of any; `total` wait."""

    total: int
    items: list[WaitingContactView]


class AgentPullsView(View):
    """An agent's day: contacts that they answered, and took by hand among them."""

    agent_id: str
    name: str
    answered: int
    pulled: int
    share: float | None = Field(description="pulled / answered, from 0 to 1.")


class PullsView(View):
    """A day of the desk's time zone, who took most first."""

    day: str
    agents: list[AgentPullsView]


class IntervalsView(View):
    """A day by intervals, oldest first, every queue in each; and each queue's day as one."""

    day: str = Field(description="As in 2026-03-31, in the desk's time zone.")
    time_zone: str
    interval_s: int
    intervals: list[IntervalView]
    totals: list[IntervalView]


class AlertsView(View):
    """Alerts, the newest first; open ones are among them however old they are."""

    items: list[AlertView]
    more: str | None


class AlertsNowView(View):
    """Those raised now: sent to supervisors' consoles whenever one is raised, cleared or taken care of."""

    at: Micros
    alerts: list[AlertView]


class AgentForcedView(View):
    """What an agent's state is after a supervisor's word."""

    id: str
    chosen: Literal["ready", "away"]
    reason: str | None
    since: Micros
    version: int
