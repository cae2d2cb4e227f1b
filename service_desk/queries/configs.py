"""The configuration, its versions and its drafts."""

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from service_desk.domain.config_diff import differences
from service_desk.domain.config_views import (
    ConfigDifferenceView,
    ConfigDiffView,
    ConfigDraftLineView,
    ConfigDraftsView,
    ConfigDraftView,
    ConfigLineView,
    ConfigVersionsView,
    ConfigView,
)
from service_desk.domain.views import Micros
from service_desk.storage import schema
from service_desk.storage.store import Reader

CONFIG, DRAFT = schema.config_version, schema.config_draft
AGENT, AUDIT = schema.agent, schema.audit
LINE = (CONFIG.c.version, CONFIG.c.state, CONFIG.c.at, CONFIG.c.actor)
DRAFT_LINE = tuple(column for column in DRAFT.c if column.name != "body")


def config_view(reader: Reader, version: int | None) -> ConfigView | None:
    """One version; without a number the one that is in force."""
    wanted = CONFIG.c.state == "published" if version is None else CONFIG.c.version == version
    row = reader.first(sa.select(CONFIG).where(wanted))
    if row is None:
        return None
    return ConfigView(**{**row, "body": bare(row["body"])})


def versions_page(reader: Reader, before: int | None, limit: int) -> ConfigVersionsView:
    """All versions, the newest first."""
    lines = published_lines(reader, limit + 1, before)
    page = lines[:limit]
    more = page[-1].version if len(lines) > limit else None
    items = [
        ConfigLineView(
            version=line.version,
            state=line.state,
            at=line.at,
            actor=line.actor,
            name=line.name,
            note=line.note,
        )
        for line in page
    ]
    return ConfigVersionsView(items=items, more=more)


@dataclass(frozen=True, slots=True)
class PublishedLine:
    """A version for people: who put it in force (`who`: their login where it was an agent), and why."""

    version: int
    state: Literal["published", "retired"]
    at: Micros
    actor: str
    name: str | None
    who: str
    note: str


def published_lines(reader: Reader, limit: int, before: int | None = None) -> list[PublishedLine]:
    """The last versions, or those before one, the newest first."""
    who = sa.func.coalesce(AGENT.c.login, CONFIG.c.actor).label("who")
    statement = sa.select(*LINE, AGENT.c.name, who).select_from(
        CONFIG.outerjoin(AGENT, AGENT.c.id == CONFIG.c.actor)
    )
    if before is not None:
        statement = statement.where(CONFIG.c.version < before)
    rows = reader.all(statement.order_by(CONFIG.c.version.desc()).limit(limit))
    published = sa.select(AUDIT.c.subject, AUDIT.c.data).where(
        AUDIT.c.action == "config.published", AUDIT.c.subject.in_([str(row["version"]) for row in rows])
    )
    notes = {row["subject"]: row["data"].get("note", "") for row in reader.all(published)}
    return [PublishedLine(**row, note=notes.get(str(row["version"]), "")) for row in rows]


def drafts_view(reader: Reader) -> ConfigDraftsView:
    """All drafts: there are few."""
    rows = reader.all(sa.select(*DRAFT_LINE).order_by(DRAFT.c.at.desc(), DRAFT.c.id.desc()))
    return ConfigDraftsView(items=[ConfigDraftLineView(**row) for row in rows])


def draft_view(reader: Reader, draft_id: str) -> ConfigDraftView | None:
    """One draft, None if there is none."""
    row = reader.get(DRAFT, draft_id)
    return None if row is None else ConfigDraftView(**row)


def draft_diff(reader: Reader, draft_id: str) -> ConfigDiffView | None:
    """From what is in force to a draft. A draft that cannot be read as a configuration is compared as it stands."""
    draft, published = reader.get(DRAFT, draft_id), config_view(reader, None)
    if draft is None or published is None:
        return None
    found = differences(published.body, draft["body"])
    return ConfigDiffView(
        published=published.version,
        differences=[
            ConfigDifferenceView(path=one.path, kind=one.kind, before=one.before, after=one.after)
            for one in found
        ],
    )


def bare(body: dict[str, object]) -> dict[str, object]:
    """A document without its number, which it has by being published."""
    return {name: value for name, value in body.items() if name != "version"}
