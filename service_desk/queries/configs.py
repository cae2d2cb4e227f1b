"""The configuration, its versions and its drafts."""

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
from service_desk.storage import schema
from service_desk.storage.store import Reader

CONFIG, DRAFT = schema.config_version, schema.config_draft
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
    statement = sa.select(*LINE).order_by(CONFIG.c.version.desc()).limit(limit + 1)
    if before is not None:
        statement = statement.where(CONFIG.c.version < before)
    rows = reader.all(statement)
    page = rows[:limit]
    more = page[-1]["version"] if len(rows) > limit else None
    return ConfigVersionsView(items=[ConfigLineView(**row) for row in page], more=more)


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
