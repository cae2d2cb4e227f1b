"""One queue: its rules, who waits in it, and what it has taught about the length of calls and of patience."""

from routing.estimate import HANDLING_PRIOR, PATIENCE_PRIOR, Rate
from routing.model import MINUTE, Micros, QueuePolicy, WorkItem
from routing.waiting import Line


class QueueLine:
    """One queue as people see it.

    `waiting` in order, without the items that ring just now; `unanswered` with them, each with its arrival.
    `handling` ends service (mu), `patience` ends waits (theta).
    """

    __slots__ = ("handling", "offset", "patience", "policy", "unanswered", "waiting")

    def __init__(self, policy: QueuePolicy) -> None:
        self.waiting = Line()
        self.unanswered: dict[str, Micros] = {}
        self.handling = Rate(HANDLING_PRIOR)
        self.patience = Rate(PATIENCE_PRIOR)
        self.set_policy(policy)

    def set_policy(self, policy: QueuePolicy) -> None:
        self.policy = policy
        self.offset = policy.target - policy.priority * MINUTE

    def key(self, item: WorkItem) -> Micros:
        """The place in the line, smallest first: arrival plus service target, less the head start.

        All items age at one speed, so the key stays as it is while they wait. Nobody starves: whoever joins
        later by more than the largest difference of targets and head starts is behind.
        """
        return item.queued_at + self.offset - item.priority * MINUTE

    @property
    def has_learned(self) -> bool:
        return bool(self.handling.exposure or self.patience.exposure)
