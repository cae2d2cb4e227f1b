"""The desk's rules at run time: what is in force, drafts, and publishing them."""

import asyncio
from datetime import date
from typing import Annotated, Any

from aiohttp import web
from pydantic import AfterValidator, Field, Strict, StringConstraints

from routing.simulation.scenario import ScenarioError
from service_desk.actions import config_drafts as drafts
from service_desk.domain.config_check import checked
from service_desk.domain.config_views import (
    ConfigCheckView,
    ConfigDiffView,
    ConfigDraftsView,
    ConfigDraftView,
    ConfigProblemView,
    ConfigVersionsView,
    ConfigView,
    RehearsalView,
)
from service_desk.errors import Conflict, Invalid, NotFound
from service_desk.planning.recorded import recorded_day
from service_desk.planning.rehearsal import MOST_S, CannotBePlayed, TooLong, compared, under
from service_desk.queries import configs
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.changes import telling
from service_desk.web.api.inputs import Input, tidy
from service_desk.web.keys import DESK
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found, there

routes = Routes("configuration")
BASE = "/api/v1/config"
DRAFT = BASE + "/drafts/{draft_id}"
NEEDS = "config.publish"
REHEARSING: web.AppKey[asyncio.Lock] = web.AppKey("rehearsing", asyncio.Lock)
Note = Annotated[str, StringConstraints(max_length=drafts.NOTE_CHARACTERS), AfterValidator(tidy)]


def _storable(value: Any) -> Any:
    """What every database takes: no zero characters and no halves of characters, in names and texts."""
    if isinstance(value, str) and any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        raise ValueError("a text holds a character that cannot be kept")
    if isinstance(value, dict):
        for name, part in value.items():
            _storable(name)
            _storable(part)
    elif isinstance(value, list):
        for part in value:
            _storable(part)
    return value


Document = Annotated[dict[str, Any], AfterValidator(_storable)]


class NewConfigDraft(Input):
    """Without a body: a copy of what is in force."""

    body: Document | None = None
    note: Note = ""
    base_version: int | None = Field(
        None, ge=1, description="What it was made from; left out: what is in force."
    )


class SavedConfigDraft(Input):
    """The whole document. It is checked by `check` and when it is published."""

    body: Document
    note: Note | None = None
    base_version: int | None = Field(
        None, ge=1, description="What it was compared with; left out: as before."
    )


class Rehearsal(Input):
    """Which day of the log, in the desk's time zone, and how many times it is played."""

    day: Annotated[date, Strict(strict=False)]
    replications: int = Field(5, ge=2, le=50)
    seed: int = Field(1, ge=0, le=2**31 - 1)


class ConfigVersionsPage(Input):
    """So many versions at a time, older than `before`."""

    before: int | None = Field(None, ge=1)
    limit: int = Field(50, ge=1, le=200)


@routes.get(BASE, needs=NEEDS)
def get_config(reader: Reader) -> ConfigView:
    """What is in force."""
    return found(configs.config_view(reader, None))


@routes.get(BASE + "/versions", needs=NEEDS)
def get_config_versions(reader: Reader, query: ConfigVersionsPage) -> ConfigVersionsView:
    """All versions that ever were in force, the newest first."""
    return configs.versions_page(reader, query.before, query.limit)


@routes.get(BASE + "/versions/{number}", needs=NEEDS)
def get_config_version(reader: Reader, number: str) -> ConfigView | None:
    """One of them."""
    return configs.config_view(reader, _number(number))


@routes.post(BASE + "/versions/{number}/roll-back", needs=NEEDS)
def roll_back_config(tx: Tx, number: str, version: int) -> ConfigView:
    """An earlier version comes into force again, as a new one. If-Match: the version that is in force."""
    with telling(lambda: configs.config_view(reading(tx), None)):
        drafts.roll_back(tx, _number(number), version)
    return found(configs.config_view(reading(tx), None))


@routes.get(BASE + "/drafts", needs=NEEDS)
def get_config_drafts(reader: Reader) -> ConfigDraftsView:
    """What is being written."""
    return configs.drafts_view(reader)


@routes.post(BASE + "/drafts", needs=NEEDS, status=201, size="text_body_bytes")
def draft_config(tx: Tx, body: NewConfigDraft) -> ConfigDraftView:
    """Begin a draft."""
    row = drafts.new_draft(tx, body.body, body.note, body.base_version)
    return ConfigDraftView(**row)


@routes.get(DRAFT, needs=NEEDS)
def get_config_draft(reader: Reader, draft_id: str) -> ConfigDraftView | None:
    """One draft."""
    return configs.draft_view(reader, draft_id)


@routes.patch(DRAFT, needs=NEEDS, size="text_body_bytes")
def save_config_draft(tx: Tx, draft_id: str, body: SavedConfigDraft, version: int) -> ConfigDraftView:
    """Another text for it. 412 with `current` if it changed meanwhile."""
    with telling(lambda: configs.draft_view(reading(tx), draft_id)):
        row = drafts.save_draft(tx, draft_id, version, body.body, body.note, body.base_version)
    return ConfigDraftView(**row)


@routes.delete(DRAFT, needs=NEEDS)
def drop_config_draft(tx: Tx, draft_id: str) -> None:
    """Forget it."""
    drafts.drop_draft(tx, draft_id)


@routes.get(DRAFT + "/check", needs=NEEDS)
def check_config_draft(reader: Reader, draft_id: str) -> ConfigCheckView | None:
    """Everything that is wrong with it: in itself, and with the colleagues and contacts that are here now."""
    row = reader.get(drafts.DRAFT, draft_id)
    if row is None:
        return None
    problems = drafts.problems_of(reader, row["body"])
    based = row["base_version"] == reader.config.version
    return ConfigCheckView(
        ok=based and not problems,
        base_is_published=based,
        problems=[ConfigProblemView(field=field, detail=words) for field, words in problems],
    )


@routes.get(DRAFT + "/diff", needs=NEEDS)
def diff_config_draft(reader: Reader, draft_id: str) -> ConfigDiffView | None:
    """What it would change."""
    return configs.draft_diff(reader, draft_id)


@routes.post(DRAFT + "/rehearse", needs=NEEDS)
async def rehearse_config_draft(request: web.Request, draft_id: str, body: Rehearsal) -> RehearsalView:
    """What a day of the log would have been under a draft. One at a time; nothing changes."""
    running = request.app[REHEARSING]
    if running.locked():
        raise Conflict(
            "A rehearsal is running: try again when it is done, a minute at most.", code="rehearsing"
        )
    async with running:
        desk = request.app[DESK]
        row = await desk.read(lambda reader: reader.get(drafts.DRAFT, draft_id))
        config, problems = checked(there(row)["body"])
        if config is None:
            field, words = problems[0]
            raise Invalid(f"{field}: {words}.", field=field)
        try:
            in_force = await desk.read(lambda reader: reader.config)
            past = await desk.read(recorded_day, body.day, seed=body.seed, replications=body.replications)
            found = await compared(past.scenario, under(past.scenario, in_force, config))
        except ScenarioError as error:
            raise Invalid(str(error).removeprefix("--from-log: ").capitalize(), field="day") from None
        except CannotBePlayed as error:
            raise Invalid(f"These rules cannot be played: {error}", field="body") from None
        except TooLong:
            raise Invalid(
                f"This took more than {MOST_S:g} s: ask for fewer replications, or a quieter day.",
                field="replications",
            ) from None
    return RehearsalView(day=body.day.isoformat(), left_out=past.left_out, **found)


@routes.post(DRAFT + "/publish", needs=NEEDS)
def publish_config_draft(tx: Tx, draft_id: str, version: int) -> ConfigView:
    """Into force, for what waits already too. 409 base_moved, 422 with every problem, or the new version."""
    with telling(lambda: configs.draft_view(reading(tx), draft_id)):
        drafts.publish_draft(tx, draft_id, version)
    return found(configs.config_view(reading(tx), None))


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise NotFound("There is no such version.")
    return int(text)
