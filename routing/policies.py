"""The published rules, made quick to ask."""

from typing import Any

from routing.capacity import Rooms
from routing.model import ROUND_ROBIN, Agent, Policy, QueuePolicy


class Rules:
    """One version of the policy.

    A queue that it does not name is served by the defaults: nobody waits for ever because an item came sooner
    than the rules of its queue.
    """

    __slots__ = (
        "_queues",
        "_rooms",
        "ages",
        "exclusive",
        "policy",
        "takes_turns",
        "version",
        "watches_staff",
    )

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.version = policy.version
        self.exclusive = policy.exclusive
        self.watches_staff = any(
            step.when == "no_staff" for queue in policy.queues for step in queue.overflow
        )
        self.ages = any(queue.ageing for queue in policy.queues)
        self.takes_turns = any(queue.choice == ROUND_ROBIN for queue in policy.queues)
        self._rooms: dict[tuple[Any, ...], Rooms] = {}
        self._queues = {queue.id: queue for queue in policy.queues}

    def queue(self, name: str) -> QueuePolicy:
        found = self._queues.get(name)
        if found is None:
            found = self._queues[name] = QueuePolicy(name)
        return found

    def rooms(self, agent: Agent) -> Rooms:
        """What goes beside what for somebody of this capacity."""
        name = (agent.units, *agent.capacity.items())  # the order decides which medium is looked at first
        found = self._rooms.get(name)
        if found is None:
            found = self._rooms[name] = Rooms(agent, self.policy)
        return found
