"""What a new message does, per medium and by where the contact stands: the state tables of asynchronous work.

Phone and chat are live: their words belong to the contact that is running. Mail and texts are asynchronous: a
message goes on in its contact, wakes a parked one, begins another contact about the same case, or begins anew.
A parked contact waits for the customer: it stays its agent's, and holds no capacity.
"""

from types import MappingProxyType
from typing import Literal

from service_desk.clock import DAY, HOUR, Micros
from service_desk.domain import interaction as life

Channel = Literal["phone", "web_chat", "email", "sms"]
LIVE = frozenset({"phone", "web_chat"})
ASYNCHRONOUS = frozenset({"email", "sms"})

CONTINUE = "continue"
"""Add it to the contact that is running: whoever has it or gets it sees it."""
RESUME = "resume"
"""Add it, and put the parked contact back in its line, with the place of now."""
REOPEN = "reopen"
"""Another contact about the same case: its tickets are linked, and open again."""
START = "start"
"""Another contact, another case."""

_BY_STATE = MappingProxyType(
    {
        life.MENU: CONTINUE,
        life.QUEUED: CONTINUE,
        life.OFFERED: CONTINUE,
        life.CONNECTING: CONTINUE,
        life.ACTIVE: CONTINUE,
        life.PARKED: RESUME,
        life.WRAP_UP: REOPEN,
        life.ENDED: REOPEN,
    }
)
SAME_CASE: MappingProxyType[str, Micros] = MappingProxyType({"email": 14 * DAY, "sms": 24 * HOUR})
"""How long after its end a contact's case takes further messages; beyond it a message starts another."""
PARKED_FOR: MappingProxyType[str, Micros] = MappingProxyType({"email": 7 * DAY, "sms": 24 * HOUR})
"""How long a parked contact waits for the customer before it ends."""


def next_step(channel: str, state: str | None, ended_at: Micros | None, now: Micros) -> str:
    """What a new message of the customer does, where the newest contact of its thread is in `state` (None: none)."""
    if state is None:
        return START
    step = _BY_STATE[state]
    if step == REOPEN and ended_at is not None and now - ended_at > SAME_CASE[channel]:
        return START
    return step
