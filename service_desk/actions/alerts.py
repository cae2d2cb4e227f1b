"""Alerts: raised and cleared by whoever watches the figures, acknowledged by people."""

from collections.abc import Sequence

import sqlalchemy as sa

from service_desk.domain import events
from service_desk.domain.config import AlertRule
from service_desk.errors import NotFound, StaleVersion
from service_desk.storage import schema
from service_desk.storage.fence import check_fence
from service_desk.storage.transaction import Row, Tx

ALERT = schema.alert
_OPEN = ALERT.c.cleared_at.is_(None)


def change_alerts(
    tx: Tx,
    raised: Sequence[tuple[AlertRule, float]],
    calm: Sequence[str],
    gone: Sequence[str],
    lease: str,
    fence: int,
) -> None:
    """Raise (rule, value); clear the open ones of these rules, which are calm or not configured any more."""
    check_fence(tx, lease, fence)
    for rule_id in calm:
        _clear(tx, rule_id, "calm")
    for rule_id in gone:
        _clear(tx, rule_id, "rule_gone")
    for rule, value in raised:
        _raise(tx, rule, value)


def _raise(tx: Tx, rule: AlertRule, value: float) -> None:
    if tx.first(sa.select(ALERT.c.id).where(ALERT.c.rule_id == rule.id, _OPEN)) is not None:
        return  # raised by the holder before us, which we had not read yet
    alert_id = tx.new_id("alr")
    row = {
        "id": alert_id,
        "rule_id": rule.id,
        "name": rule.name,
        "figure": rule.figure,
        "queue_id": rule.queue,
        "level": rule.level,
        "raise_at": rule.raise_at,
        "clear_at": rule.clear_at,
        "value": round(value, 2),
        "raised_at": tx.now,
        "cleared_at": None,
        "clear_reason": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "policy_version": tx.config.version,
        "version": 1,
    }
    tx.add(ALERT, row)
    tx.emit(events.AlertRaised(alert_id, rule.id, rule.queue, rule.level))


def _clear(tx: Tx, rule_id: str, reason: str) -> None:
    row = tx.first(sa.select(ALERT).where(ALERT.c.rule_id == rule_id, _OPEN).with_for_update())
    if row is not None:
        tx.change(ALERT, row, cleared_at=tx.now, clear_reason=reason)
        tx.emit(events.AlertCleared(row["id"], rule_id, reason))


def acknowledge(tx: Tx, alert_id: str, version: int, agent_id: str) -> Row:
    """Somebody looks after it; the first one's name stays. Also after it was cleared."""
    row = tx.get_for_update(ALERT, alert_id)
    if row is None:
        raise NotFound("There is no such alert.")
    if row["acknowledged_by"] is not None:
        return row
    if row["version"] != version:
        raise StaleVersion("The alert changed meanwhile.", version=row["version"])
    row = tx.change(ALERT, row, acknowledged_at=tx.now, acknowledged_by=agent_id)
    tx.emit(events.AlertAcknowledged(alert_id, row["rule_id"]))
    tx.audit("alert.acknowledged", alert_id, rule_id=row["rule_id"])
    return row
