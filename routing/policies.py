"""The published rules, made quick to ask."""

from routing.model import MINUTE, Micros, Policy, QueuePolicy, WorkItem


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

    def head_start(self, item: WorkItem) -> int:
        """Whole minutes: the queue's priority and the item's own."""
        return self.queue(item.queue).priority + item.priority

    def key(self, item: WorkItem) -> Micros:
        """The place in the line, smallest first: arrival plus service target, less the head start.

        All items age at one speed, so the key stays as it is while they wait. Nobody starves: whoever joins
        later by more than the largest difference of targets and head starts is behind.
        """
        queue = self.queue(item.queue)
        return item.queued_at + queue.target - (queue.priority + item.priority) * MINUTE
