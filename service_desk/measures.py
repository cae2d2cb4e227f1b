"""What one process counts about itself and last saw of the whole desk: figures for Prometheus, by /metrics.

Units are in the names: seconds, positions, bytes; the others are counts. What is counted where it happens stands in
the first half; the second half is written by whoever reads `queries.operations`.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

COMMIT_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LAG_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
GROUP = (1, 2, 4, 8, 16, 32)


class Measures:
    """Each process has one, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_this_process(self.registry)
        self._of_the_desk(self.registry)
        self.fanout_cursor: Callable[[], int | None] = lambda: None

    def _of_this_process(self, registry: CollectorRegistry) -> None:
        self.group_size = Histogram(
            "desk_action_group_size", "Actions in one transaction.", buckets=GROUP, registry=registry
        )
        self.group_seconds = Histogram(
            "desk_action_group_seconds",
            "A transaction, from its first action to its answers.",
            buckets=COMMIT_S,
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "desk_commit_seconds",
            "The last statements of a group of actions and its COMMIT.",
            buckets=COMMIT_S,
            registry=registry,
        )
        self.database_errors = Counter(
            "desk_database_errors", "What the database refused or broke off.", ["kind"], registry=registry
        )
        self.loop_lag = Histogram(
            "desk_loop_lag_seconds",
            "How much later than asked for the event loop came back.",
            buckets=LAG_S,
            registry=registry,
        )
        self.offers = Counter("desk_offers", "Offers by what became of them.", ["outcome"], registry=registry)
        self.frames = Counter("desk_frames", "Frames handed to consoles' sockets.", registry=registry)
        self.cut_off = Counter(
            "desk_sockets_cut_off", "Sockets closed because nobody read them.", registry=registry
        )
        self.sockets = Gauge("desk_sockets", "Open sockets.", ["kind"], registry=registry)
        self.lease_held = Gauge(
            "desk_lease_held", "1 where this process holds the lease.", ["lease"], registry=registry
        )

    def _of_the_desk(self, registry: CollectorRegistry) -> None:
        self.lease_free = Gauge("desk_lease_free", "1 while nobody holds it.", ["lease"], registry=registry)
        self.follower_positions = Gauge(
            "desk_follower_lag_positions", "Rows that a follower has not read.", ["cursor"], registry=registry
        )
        self.follower_seconds = Gauge(
            "desk_follower_lag_seconds", "Age of the oldest of them.", ["cursor"], registry=registry
        )
        self.effects = Gauge("desk_effects", "Open effects.", ["kind", "state"], registry=registry)
        self.effects_overdue = Gauge(
            "desk_effects_overdue_seconds",
            "How long the longest due one has been.",
            ["kind"],
            registry=registry,
        )
        self.waiting = Gauge("desk_queue_waiting", "Contacts in the line.", ["queue"], registry=registry)
        self.longest_wait = Gauge(
            "desk_queue_longest_wait_seconds",
            "How long the call or chat has waited that came first.",
            ["queue"],
            registry=registry,
        )
        self.longest_message_wait = Gauge(
            "desk_queue_longest_message_wait_seconds",
            "The same of mail and texts.",
            ["queue"],
            registry=registry,
        )
        self.nodes = Gauge("desk_nodes", "Processes that live, by role.", ["role"], registry=registry)
        self.clock_skew = Gauge(
            "desk_clock_skew_seconds", "The database's clock less this machine's.", registry=registry
        )
        self.disk_free = Gauge("desk_disk_free_bytes", "Free where the desk keeps files.", registry=registry)
        self.degraded = Gauge("desk_degraded", "Losses that /health names.", registry=registry)
