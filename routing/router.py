"""The router: facts and the time go in, decisions come out. Same commands and times, same decisions, always.

Each command is applied in two steps: the state follows the fact (facts.py), then whatever fits together newly
is offered (matching.py). The rest of this file is ways in and ways to look.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from routing import callback_turns, rebuild, roster, stages, views
from routing.commands import Command
from routing.decisions import Decision
from routing.estimate import Estimate
from routing.facts import FOLLOW
from routing.floor import Floor
from routing.model import Agent, AwayReason, Micros, Offer, Policy, WorkItem
from routing.turn import Turn


class Router:
    """One routing domain: all queues that share agents. Not thread-safe; one owner calls `apply` in order."""

    __slots__ = ("_turn", "floor")

    def __init__(self, policy: Policy) -> None:
        self.floor = Floor(policy)
        self._turn = Turn(self.floor)

    def apply(self, command: Command, now: Micros, turn: Turn | None = None) -> tuple[Decision, ...]:
        """Take in a fact and answer with what follows. A clock that steps back stands still in here.

        `turn`: one that sees more, for explanations.

        Only a Tick decides what is due, so an answer that arrives just after its deadline is still an answer.
        TypeError if `command` is none of commands.py; nothing that a command says raises.
        """
        follow = FOLLOW.get(type(command))
        if follow is None:
            raise TypeError(f"{type(command).__name__} is not a command")
        floor = self.floor
        floor.now = max(floor.now, now)
        if turn is None:
            turn = self._turn
        follow(turn, command)
        return turn.settle()

    def next_deadline(self) -> Micros | None:
        """When the next Tick is needed; may be past already, None if nothing is running."""
        floor = self.floor
        if floor.match_due:
            return floor.now
        return min(
            (
                at
                for at in (
                    floor.timers.next_at(),
                    stages.next_due(floor),
                    roster.next_closing(floor),
                    floor.look_at,
                    callback_turns.next_opening(floor) if floor.sleepy else None,
                )
                if at is not None
            ),
            default=None,
        )

    # --- storing and restoring --------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """All that the router knows, JSON-able; equal routers give equal snapshots."""
        return rebuild.snapshot(self.floor)

    @classmethod
    def restore(cls, snapshot: Mapping[str, Any]) -> "Router":
        """The router whose snapshot this is. ValueError if it is not one of this format."""
        router = cls(rebuild.policy_of(snapshot))
        rebuild.restore_into(router.floor, snapshot)
        return router

    @classmethod
    def rebuild(
        cls,
        policy: Policy,
        now: Micros,
        *,
        agents: Iterable[tuple[Agent, bool, Micros, AwayReason | None]] = (),
        waiting: Iterable[tuple[WorkItem, int]] = (),
        offers: Iterable[Offer] = (),
        serving: Iterable[tuple[WorkItem, str]] = (),
        wrapping: Iterable[tuple[WorkItem, str, Micros]] = (),
        pauses: Iterable[tuple[str, str, Micros]] = (),
        estimates: Mapping[str, tuple[float, float]] | None = None,
        missed: Mapping[str, int] | None = None,
    ) -> "Router":
        """The router that the stored rows describe. It decides as the one that lived through it all.

        agents: (agent, ready, idle_since, away_reason), all accounts that exist, signed in or not.
        waiting: (item, number of offers made for it), those that ring included. offers: the pending ones.
        serving: (item, agent). wrapping: (item, agent, until). pauses: (item, agent, until) of declines.
        estimates: queue: (mu, theta) per second, as `rates` gives them. missed: agent: so many offers
        in a row they did not answer. Where the rows contradict each other (an offer to somebody away, two for one
        item), the first Tick, due at once, puts it right.
        """
        router = cls(policy)
        rows = rebuild.Rows(agents, waiting, offers, serving, wrapping, pauses, estimates or {}, missed or {})
        rebuild.rebuild_into(router.floor, now, rows)
        return router

    # --- looking in -------------------------------------------------------------------------------------

    @property
    def policy(self) -> Policy:
        return self.floor.rules.policy

    def waiting(self, queue: str) -> views.QueueView:
        return views.queue(self.floor, queue)

    def queues(self) -> tuple[str, ...]:
        """All queues that the policy names or that work has come to, by name."""
        return views.queue_names(self.floor)

    def position(self, item: str) -> int | None:
        """1 is next; while it rings, the place that it would have. None if it does not wait."""
        return views.position(self.floor, item)

    def estimate(self, subject: str, medium: str | None = None) -> Estimate | None:
        """For an item that waits; or, by the id of a queue, for one that would join it now."""
        return views.estimate(self.floor, subject, medium)

    def places(self) -> dict[str, dict[str, int]]:
        """By queue and medium: how many items those who take work now, idle or busy, may have at once."""
        return views.places(self.floor)

    def rates(self, queue: str) -> tuple[float, float]:
        """(mu, theta) per second: contacts that one place finishes, waiting customers who give up."""
        return views.rates(self.floor, queue)

    def agent(self, name: str) -> views.AgentView | None:
        return views.agent(self.floor, name)

    def agents_by_state(self) -> dict[str, int]:
        """How many agents are ready, offered, busy, wrap_up, away and gone; every state is there."""
        return views.agents_by_state(self.floor)

    def pending_offers(self) -> tuple[Offer, ...]:
        """By deadline, then id."""
        return views.pending_offers(self.floor)
