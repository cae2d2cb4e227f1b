"""Owns the one router: reads commands in their order, records what it decides, and is told what came too late.

A step is (command, time, decisions). One transaction stores the steps, moves the cursor and changes the rows,
after checking the fence. If that fails, the router in memory is thrown away and made anew from the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from routing.codec import decode, encode
from routing.commands import Command, DecisionRefused, Tick
from routing.decisions import Decision
from routing.router import Router
from service_desk.actions.offers import Refusal, apply_locked, foreseen_rows
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.dispatch.restore import restore
from service_desk.dispatch.told import tell_command, tell_decisions
from service_desk.follow import Signal, earliest
from service_desk.killpoint import killpoint
from service_desk.lease import Lease, check_fence, hold_and_work
from service_desk.planted import planted
from service_desk.storage import schema
from service_desk.storage.fence import fence_of
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx

STEP = schema.dispatch_step
LIVE = schema.queue_live
BATCH = 200
LIVE_EVERY: Micros = SECOND
_COMMANDS_AFTER = Prepared(
    sa.select(schema.command)
    .where(schema.command.c.position > sa.bindparam("position"))
    .order_by(schema.command.c.position)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


@dataclass(frozen=True, slots=True)
class Step:
    """What the router was told, when, and what it decided."""

    at: Micros
    command_position: int | None
    command: dict[str, Any]
    decisions: tuple[Decision, ...]


class RoutingHost:
    """Runs wherever its lease is held."""

    def __init__(self, desk: Desk, lease: Lease) -> None:
        self._desk = desk
        self._lease = lease
        self._live: dict[str, tuple[Any, ...]] = {}
        self._live_at: Micros = 0
        self.router: Router | None = None

    async def run(self) -> None:
        """Hold the lease and decide, until cancelled."""
        try:
            await hold_and_work(self._lease, self._desk.clock, self._decide)
        finally:
            self.router = None

    async def _decide(self, fence: int) -> None:
        killpoint("host.before_restore")
        restored = await self._desk.read(restore)
        router, cursor = restored.router, restored.command_position
        self.router = router
        self._live = {}
        now = self._desk.clock.now()
        start = Step(now, None, {"kind": "rebuilt", "snapshot": router.snapshot()}, ())
        await self._record(router, [start], fence, cursor)
        async with Signal(self._desk.bus, self._desk.clock, "command") as signal:
            while self._lease.held():
                commands = await self._desk.glance(commands_after, cursor, BATCH)
                steps = self._apply(router, commands)
                if commands:
                    cursor = commands[-1][0]
                if steps:
                    await self._record(router, steps, fence, cursor)
                await self._write_live(router, fence)
                if len(commands) < BATCH:
                    await signal.wait(self._wake_at(router))

    def _apply(self, router: Router, commands: Sequence[tuple[int, Command]]) -> list[Step]:
        """Steps for the commands, and one for the time if something is due."""
        now = self._desk.clock.now()
        steps = [
            Step(now, position, encode(command), router.apply(command, now)) for position, command in commands
        ]
        due = router.next_deadline()
        if due is not None and due <= now:
            # Also without decisions: a pause that is over changes what later commands lead to; a replay needs it.
            steps.append(Step(now, None, encode(Tick()), router.apply(Tick(), now)))
        return steps

    async def _record(self, router: Router, steps: list[Step], fence: int, cursor: int) -> None:
        """Store steps; what the rows refuse is told to the router, until nothing is refused."""
        version = router.policy.version
        while steps:
            killpoint("host.before_record")
            refused = await self._desk.run(record_steps, steps, version, fence, cursor, actor="router")
            killpoint("host.after_record")
            for step in steps:
                tell_command(step.command, self._desk.measures)
                tell_decisions(step.decisions, refused, self._desk.measures)
            now = self._desk.clock.now()
            steps = []
            for decision, reason in refused:
                command = DecisionRefused(decision, reason)
                steps.append(Step(now, None, encode(command), router.apply(command, now)))

    # --- the live view of queues --------------------------------------------------------------------------------

    def _wake_at(self, router: Router) -> Micros | None:
        """The next deadline, but soon enough to write figures that changed and to notice a lost lease."""
        changed = any(
            self._live.get(queue, ())[:-1] != figures for queue, figures in _figures(router).items()
        )
        return earliest(
            self._live_at + LIVE_EVERY if changed else None,
            router.next_deadline(),
            self._lease.look_again_at(),
        )

    async def _write_live(self, router: Router, fence: int) -> None:
        now = self._desk.clock.now()
        if now - self._live_at < LIVE_EVERY:
            return
        places = (
            router.places()
        )  # last in the row: those of all agents, so looked at when it may be written only
        rows = {queue: (*figures, places.get(queue, {})) for queue, figures in _figures(router).items()}
        changed = {queue: row for queue, row in rows.items() if self._live.get(queue) != row}
        if changed:
            await self._desk.run(write_live, changed, self._lease.name, fence, actor="router")
            self._live |= changed
            self._live_at = now


def _figures(router: Router) -> dict[str, tuple[Any, ...]]:
    """What of each queue's row is quick to tell."""
    views = {queue: router.waiting(queue) for queue in router.queues()}
    return {q: (view.waiting, view.oldest, view.ready, view.mu, view.theta) for q, view in views.items()}


def commands_after(reader: Reader, position: int, limit: int) -> list[tuple[int, Command]]:
    """The next commands, in order."""
    rows = reader.all(_COMMANDS_AFTER, {"position": position, "limit": limit})
    if planted("command_unread"):
        rows = rows[1:] or rows
    return [(row["position"], decode(row["body"])) for row in rows]


def record_steps(
    tx: Tx, steps: Sequence[Step], policy_version: int, fence: int, cursor: int
) -> list[Refusal]:
    """Store the steps and change the rows by their decisions; what came too late."""
    tx.foresee(
        fence_of("routing"),
        tx.foresee_numbers("dispatch_step", len(steps)),
        tx.foresee_cursor("routing", cursor),
        *foreseen_rows([decision for step in steps for decision in step.decisions]),
    )
    check_fence(tx, "routing", fence)
    first = tx.next_number("dispatch_step", len(steps))
    refused: list[Refusal] = []
    for seq, step in enumerate(steps, first):
        tx.add(
            STEP,
            {
                "seq": seq,
                "at": step.at,
                "command_position": step.command_position,
                "command": step.command,
                "decisions": [encode(decision) for decision in step.decisions],
                "policy_version": policy_version,
                "fence": fence,
            },
        )
        refused += apply_locked(tx, step.decisions, policy_version)
    tx.set_cursor("routing", cursor)
    return refused


def write_live(tx: Tx, rows: dict[str, tuple[Any, ...]], lease: str, fence: int) -> None:
    """The router's figures per queue, changed rows only."""
    check_fence(tx, lease, fence)
    for queue_id, (waiting, oldest, agents, mu, theta, places) in rows.items():
        values = {
            "at": tx.now,
            "waiting": waiting,
            "oldest_at": oldest,
            "agents": agents,
            "mu": mu,
            "theta": theta,
            "places": places,
        }
        if not tx.write(sa.update(LIVE).where(LIVE.c.queue_id == queue_id).values(**values)):
            tx.write(sa.insert(LIVE), {"queue_id": queue_id, **values})
