"""Looks at the figures by the alert rules, once per board. What is raised stands in the rows; since when, in here."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from service_desk.clock import SECOND, Micros
from service_desk.domain.alerts import Watch, look, readings_of, value_of
from service_desk.domain.config import AlertRule
from service_desk.domain.views import AlertView, BoardView
from service_desk.queries.wallboard import readings


@dataclass(slots=True)
class Changes:
    """What a look leads to: (rule, value) to raise, ids of rules whose alerts are over."""

    raised: list[tuple[AlertRule, float]] = field(default_factory=list)
    calm: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.raised or self.calm or self.gone)


class AlertWatch:
    """One holder's memory: a new one begins to measure durations anew, and knows from the rows what is raised."""

    def __init__(self) -> None:
        self._rules: dict[str, AlertRule] = {}
        self._since: dict[str, Micros] = {}

    def look(self, rules: Sequence[AlertRule], board: BoardView) -> Changes:
        """Compare a board with the rules; changes that are due."""
        changes = Changes()
        open_alerts = {alert.rule_id: alert for alert in board.alerts}
        self._follow_rules(rules)
        known = {rule.id: rule for rule in rules}
        changes.gone = [
            rule_id
            for rule_id, alert in open_alerts.items()
            if rule_id not in known or not _is_of(alert, known[rule_id])
        ]
        by_queue, everything = readings(board)
        for rule in rules:
            if rule.id in changes.gone or (rule.queue is not None and rule.queue not in by_queue):
                continue
            value = value_of(rule, readings_of(rule, by_queue, everything), board.at)
            self._look_at(rule, value, board.at, changes, raised=rule.id in open_alerts)
        return changes

    def _look_at(
        self, rule: AlertRule, value: float | None, now: Micros, changes: Changes, *, raised: bool
    ) -> None:
        watch, verdict = look(rule, Watch(raised, self._since.get(rule.id)), value, now)
        if watch.since is None:
            self._since.pop(rule.id, None)
        else:
            self._since[rule.id] = watch.since
        if verdict == "raise" and value is not None:
            changes.raised.append((rule, value))
        elif verdict == "clear":
            changes.calm.append(rule.id)

    def _follow_rules(self, rules: Sequence[AlertRule]) -> None:
        """A rule that is new or another one than before is measured anew."""
        fresh = {rule.id: rule for rule in rules}
        for rule_id in [each for each in self._since if fresh.get(each) != self._rules.get(each)]:
            del self._since[rule_id]
        self._rules = fresh

    def next_due(self) -> Micros | None:
        """When a change that is being waited for would be due at the earliest; None if none is."""
        waits = [
            since + min(self._rules[rule_id].raise_s, self._rules[rule_id].clear_s) * SECOND
            for rule_id, since in self._since.items()
        ]
        return min(waits, default=None)


def _is_of(alert: AlertView, rule: AlertRule) -> bool:
    """Whether the rule is still the one that raised the alert."""
    return (alert.figure, alert.queue_id, alert.raise_at, alert.clear_at, alert.level) == (
        rule.figure,
        rule.queue,
        rule.raise_at,
        rule.clear_at,
        rule.level,
    )
