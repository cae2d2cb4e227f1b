"""Places that are kept: what a contact that comes again, or goes on to another queue, brings along."""

from dataclasses import replace
from typing import Final, NamedTuple

from routing.model import Micros, QueuePolicy, WorkItem

CALLED_AGAIN: Final = "called_again"
"""`WorkItem.kept` of who hung up while waiting and came back in time."""


class Wait(NamedTuple):
    """A wait of the same customer in the same queue, and when they left it; None: they are still there."""

    queued_at: Micros
    left_at: Micros | None
    answered: bool


def arrival(recover: Micros, now: Micros, before: Wait | None) -> tuple[Micros, str]:
    """(queued_at, kept) of who joins now: their old arrival if they left unanswered at most `recover` ago.

    `before` is the newest wait of theirs: one place is given back once, to the first who comes. Nobody is
    overtaken by it whom they were not ahead of before. A `recover` of 0 gives nothing back.
    """
    if before is None or before.left_at is None or before.answered:
        return now, ""
    if recover > 0 and now - before.left_at <= recover and before.queued_at <= now:
        return before.queued_at, CALLED_AGAIN
    return now, ""


def moved(item: WorkItem, here: QueuePolicy, there: QueuePolicy) -> WorkItem:
    """The item in another queue by the rules of overflow: with its arrival, and its medium's head start there.

    Where a person may have put it before is over.
    """
    gains = there.head_starts.get(item.medium, 0) - here.head_starts.get(item.medium, 0)
    return replace(item, queue=there.id, priority=item.priority + gains, placed=False)
