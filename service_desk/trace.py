"""Which contact the work at hand is about, so that every line that it logs says so and one contact can be followed.

`about` opens a scope around one webhook, request, effect or timer. The contact is often known only after the action
ran: `Desk.run` then says what it was about, and the lines after it carry it. Outside of a scope nothing is kept, so
that no follower's lines carry the contact that it saw last.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from structlog.contextvars import bind_contextvars, get_contextvars, unbind_contextvars

CONTACT = "interaction"
_OPEN: ContextVar[bool] = ContextVar("trace_open", default=False)


@contextmanager
def about(**facts: str | None) -> Iterator[None]:
    """Lines within carry these facts (ids only), and the contact as soon as it is known."""
    before = get_contextvars()
    bind_contextvars(**{name: value for name, value in facts.items() if value is not None})
    opened = _OPEN.set(True)
    try:
        yield
    finally:
        _OPEN.reset(opened)
        unbind_contextvars(*(get_contextvars().keys() - before.keys()))
        bind_contextvars(**before)


def learn(contact: str | None) -> None:
    """The work at hand turned out to be about this contact; outside of a scope that is nobody's business."""
    if contact is not None and _OPEN.get():
        bind_contextvars(**{CONTACT: contact})


def contact() -> str | None:
    """What is known of it so far."""
    found: str | None = get_contextvars().get(CONTACT)
    return found


def contact_of(events: Sequence[Mapping[str, Any]]) -> str | None:
    """The one contact that lines of the log are about; None if there is none, or more than one."""
    found = {event["data"].get("interaction_id") for event in events} - {None}
    return found.pop() if len(found) == 1 else None
