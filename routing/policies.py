"""The published rules, made quick to ask."""

from routing.model import Policy, QueuePolicy


class Rules:
    """One version of the policy.

    A queue that it does not name is served by the defaults: nobody waits for ever because an item came sooner
    than the rules of its queue.
    """

    __slots__ = ("_queues", "exclusive", "policy", "version")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.version = policy.version
        self.exclusive = policy.exclusive
        self._queues = {queue.id: queue for queue in policy.queues}

    def queue(self, name: str) -> QueuePolicy:
        found = self._queues.get(name)
        if found is None:
            found = self._queues[name] = QueuePolicy(name)
        return found
