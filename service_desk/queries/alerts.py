"""Alerts as screens show them."""

import sqlalchemy as sa

from service_desk.domain.supervision_views import AlertsNowView, AlertsView
from service_desk.domain.views import AlertView
from service_desk.storage import schema
from service_desk.storage.store import Reader

ALERT = schema.alert


def open_alerts(reader: Reader) -> list[AlertView]:
    """Those raised now, urgent ones first, then the oldest."""
    rows = reader.all(sa.select(ALERT).where(ALERT.c.cleared_at.is_(None)))
    views = [alert_from(row) for row in rows]
    return sorted(views, key=lambda view: (view.level != "urgent", view.raised_at, view.id))


def alerts_now(reader: Reader) -> AlertsNowView:
    """What supervisors' consoles are sent."""
    return AlertsNowView(at=reader.now, alerts=open_alerts(reader))


def alerts_page(reader: Reader, before: str | None, limit: int) -> AlertsView:
    """A page of all alerts, the newest first."""
    statement = sa.select(ALERT).order_by(ALERT.c.raised_at.desc(), ALERT.c.id.desc()).limit(limit + 1)
    if before is not None:
        at, _, alert_id = before.partition(".")
        statement = statement.where(
            sa.or_(
                ALERT.c.raised_at < int(at),
                sa.and_(ALERT.c.raised_at == int(at), ALERT.c.id < alert_id),
            )
        )
    rows = list(reader.all(statement))
    page = rows[:limit]
    more = f"{page[-1]['raised_at']}.{page[-1]['id']}" if len(rows) > limit else None
    return AlertsView(items=[alert_from(row) for row in page], more=more)


def alert_view(reader: Reader, alert_id: str) -> AlertView | None:
    """One alert, None if there is none."""
    row = reader.get(ALERT, alert_id)
    return None if row is None else alert_from(row)


def alert_from(row: sa.RowMapping) -> AlertView:
    """A row of the alert table."""
    return AlertView(
        id=row["id"],
        rule_id=row["rule_id"],
        name=row["name"],
        figure=row["figure"],
        queue_id=row["queue_id"],
        level=row["level"],
        raise_at=row["raise_at"],
        clear_at=row["clear_at"],
        value=row["value"],
        raised_at=row["raised_at"],
        cleared_at=row["cleared_at"],
        clear_reason=row["clear_reason"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=row["acknowledged_by"],
        version=row["version"],
    )
