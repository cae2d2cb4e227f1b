"""Faults that a test may plant, to show that the auditor of tests/chaos finds them. One comparison each.

SERVICE_DESK_TEST_PLANT names those that are on, parted by commas, in a source tree only (`switches.py`).
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from service_desk.switches import PLANT, switch

T = TypeVar("T")

PLANTS: Mapping[str, str] = MappingProxyType(
    {
        "accept_after_the_end": "an offer that has run out is accepted all the same",
        "agent_left_busy": "the router is not told that a parked contact keeps nobody busy",
        "answer_before_commit": "a text is acknowledged, and stored a little later",
        "board_not_folded": "a stretch of the log is passed over by the counters",
        "board_stale": "the board stays as it was first written",
        "call_left_open": "the caller's hang-up is noted and ends nothing",
        "caller_asked_twice": "a call's effect is carried out twice",
        "chat_line_lost": "words that are like the last ones are taken for a repetition",
        "command_unread": "the router's cursor moves past a command that it has not read",
        "confirmed_unsent": "a message's effect is confirmed without sending it",
        "dedupe_by_time": "a text that is brought twice has two keys",
        "event_lost": "the last event of a big commit is not written",
        "expired_offer_kept": "an offer runs out and its contact does not go back to the line",
        "figures_cursor_kept": "the figures' cursor is not stored",
        "frame_lost": "the fan-out's cursor moves past frames that were not sent",
        "frames_out_of_order": "a frame overtakes the one before it",
        "idempotency_ignored": "the same request under the same key is done again",
        "late_report_applied": "a delivery report of a lower rank is applied",
        "line_misnumbered": "a system line takes two numbers",
        "mail_before_commit": "a mail is answered with 250, and stored a little later",
        "merged_customer_loses_address": "the addresses of a merged record are dropped",
        "moved_contact_keeps_words": "a contact's words stay with the customer it was taken from",
        "parked_without_timer": "a contact is parked and nothing ends that",
        "put_back_loses_place": "who is put back joins the end of the line",
        "refused_marked_sent": "a message that was refused for good is called sent",
        "segment_left_open": "the stay in a queue is not closed with its contact",
        "sent_again_after_unknown": "a message of unknown outcome is sent again at once",
        "stale_fence_passes": "the fence of a former holder is let through",
        "timer_dropped": "a timer is removed and does nothing",
        "wrap_up_never_ends": "the end of wrap-up is decided and not carried out",
    }
)
"""What each does; docs/testing.md says what finds it."""

_NAMES = frozenset((switch(PLANT) or "").split(",")) - {""}
if unknown := sorted(_NAMES - PLANTS.keys()):
    raise RuntimeError(f"{PLANT}: {', '.join(unknown)} names no fault: {', '.join(PLANTS)}")


def planted(name: str) -> bool:
    """Whether the test asked for this fault."""
    return name in _NAMES


# --- what some of them need ---------------------------------------------------------------------------------

_LATER_S = 0.5
_tasks: set[asyncio.Task[Any]] = set()
_held: dict[str, Any] = {}


async def do_later(work: Coroutine[Any, Any, Any]) -> None:
    """Do it half a second later, if the process lives so long; returns at once."""
    loop = asyncio.get_running_loop()
    loop.call_later(_LATER_S, lambda: _tasks.add(loop.create_task(work)))


def overtaking(key: str, item: T) -> Sequence[T]:
    """Nothing for the first of two, for the second both, the later one first."""
    if key in _held:
        return item, _held.pop(key)
    _held[key] = item
    return ()
