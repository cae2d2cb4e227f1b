"""Webhooks that start no contact: callers who wait poll, and their calls' legs and conferences say what happens.

The open loop is that of the generator: webhooks come at exponential distances, whether or not the earlier ones were
answered. Of each ten, six are `wait` (what a caller in a queue asks for every few seconds; it only reads), two are
`status` and two `conference`, which change the leg's row: each with the next sequence number of its call, so that none
is a repetition that the desk may pass over.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.percentiles import percentile

WEIGHTS = {"wait": 6, "status": 2, "conference": 2}
ANSWERED_S = 30.0
"""So long the last ones may take."""

Post = Callable[[str, str, str, dict[str, str]], Awaitable[bool]]
"""(webhook, call id, call status, the form's other fields): whether it was taken."""


@dataclass(slots=True)
class Living:
    """A call that waits, and its contact."""

    call_id: str
    interaction_id: str
    sequence: int = 0


class CallbackMix:
    """Which webhook comes next, and how long each took."""

    def __init__(self, living: list[Living], chance: Random) -> None:
        self._living = living
        self._chance = chance
        self._took_s: list[float] = []
        self._slips_s: list[float] = []

    async def play(self, post: Post, span_s: float, per_second: float) -> tuple[int, dict[str, Any]]:
        """So many were sent, and the times of those that were taken. TimeoutError: one was never answered."""
        started = due = time.perf_counter()
        async with asyncio.timeout(span_s + ANSWERED_S), asyncio.TaskGroup() as under_way:
            while (due := due + self._chance.expovariate(per_second)) < started + span_s:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                self._slips_s.append(time.perf_counter() - due)
                under_way.create_task(self._send(post))
        return len(self._slips_s), self._figures()

    async def _send(self, post: Post) -> None:
        call = self._chance.choice(self._living)
        (name,) = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        more = self._fields(name, call)
        begun = time.perf_counter()
        if await post(name, call.call_id, "in-progress", more):
            self._took_s.append(time.perf_counter() - begun)

    def _fields(self, name: str, call: Living) -> dict[str, str]:
        """What the form has beside the call and its status."""
        if name == "wait":
            return {}
        call.sequence += 1
        if name == "status":
            return {"SequenceNumber": str(call.sequence)}
        return {
            "SequenceNumber": str(call.sequence),
            "ConferenceSid": call.call_id.replace("CA", "CF", 1),
            "FriendlyName": call.interaction_id,
            "StatusCallbackEvent": self._chance.choice(("participant-join", "participant-leave")),
        }

    def _figures(self) -> dict[str, Any]:
        took_s = self._took_s or [float("inf")]
        return {
            "taken": len(self._took_s),
            **{f"hook_p{percent:g}_ms": percentile(took_s, percent) * 1_000 for percent in (50, 99, 99.9)},
            "hook_max_ms": max(took_s) * 1_000,
            "slip_p99_ms": percentile(self._slips_s or [float("inf")], 99) * 1_000,
        }
