"""A provider under the test's thumb: the one edge of the outbox. It keeps what was done to it, in order."""

import asyncio
from collections.abc import Callable

from channels.contract import CallStatus, LegState, OutboundCall


def leg_of(call: OutboundCall) -> str:
    """The id that this provider gives to a call of ours."""
    return f"CA{call.dial}"


class Carrier:
    """Implements CallControl. Each call of a method takes the next entry of its `script`, if there is one.

    An entry is an exception to raise before ("refuse") or after ("do and raise") the deed, or an event to wait for
    before or after it.
    """

    def __init__(self) -> None:
        self.calls_per_second = 0.0  # none is held back
        self.done: list[tuple[str, str]] = []
        """(what, leg), whatever was answered."""
        self.asked = 0
        self.said_first: list[bool] = []
        self.in_conference: dict[str, str] = {}
        self.over: set[str] = set()
        self.dialled: list[OutboundCall] = []
        self.hidden = False  # whether its list of calls does not show what was dialled
        self.before: dict[str, list[BaseException | asyncio.Event | Callable[[], object]]] = {}
        self.after: dict[str, list[BaseException | asyncio.Event]] = {}

    async def _act(self, what: str, call_id: str, deed: Callable[[], object]) -> None:
        await self._first(what)
        deed()
        self.done.append((what, call_id))
        if self.after.get(what):
            step = self.after[what].pop(0)
            if isinstance(step, BaseException):
                raise step
            await step.wait()

    async def _first(self, what: str) -> None:
        if not self.before.get(what):
            return
        step = self.before[what].pop(0)
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
        else:
            step()

    async def dial(self, call: OutboundCall) -> str:
        await self._act("dial", call.dial, lambda: self.dialled.append(call))
        return leg_of(call)

    async def find_dialled(self, call: OutboundCall, since: int) -> list[LegState]:
        await self._first("find_dialled")
        alike = [made for made in self.dialled if (made.number, made.sender) == (call.number, call.sender)]
        shown = [] if self.hidden or not since else alike
        return [LegState(leg_of(made), CallStatus.RINGING) for made in reversed(shown)]

    async def connect(self, call_id: str, interaction_id: str, *, first: bool = False) -> None:
        self.said_first.append(first)
        await self._act("connect", call_id, lambda: self.in_conference.update({call_id: interaction_id}))

    async def put_back(self, call_id: str) -> None:
        await self._act("put_back", call_id, lambda: self.in_conference.pop(call_id, None))

    async def hang_up(self, call_id: str) -> None:
        await self._act("hang_up", call_id, lambda: self.over.add(call_id))

    async def look_up(self, call_id: str, interaction_id: str | None = None) -> LegState | None:
        self.asked += 1
        await self._first("look_up")
        if call_id in self.over:
            return LegState(call_id, CallStatus.COMPLETED)
        conference = self.in_conference.get(call_id)
        return LegState(call_id, CallStatus.IN_PROGRESS, conference if conference == interaction_id else None)

    def softphone_token(self, agent_id: str, lifetime_s: int = 3600) -> str:
        return f"{agent_id}:{lifetime_s}"
