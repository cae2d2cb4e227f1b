"""What a search answers."""

from typing import Literal

from pydantic import Field

from service_desk.domain.views import Micros, View

SearchKind = Literal["customer", "ticket", "interaction", "message", "note"]


class HitRange(View):
    """A stretch of the text beside it, in UTF-16 units as browsers count them: from `start` up to before `end`."""

    start: int
    end: int


class SearchHitView(View):
    """One thing that was found. Texts are plain: whoever shows them marks the ranges."""

    kind: SearchKind
    id: str
    match: Literal["exact", "head", "text"] = Field(
        description="exact: a whole ticket number, name, address or phone number; head: words of names, addresses, "
        "numbers and subjects; text: words of what was written."
    )
    at: Micros = Field(
        description="What it is sorted by: last change of a ticket, beginning of anything else."
    )
    title: str
    title_hits: list[HitRange]
    excerpt: str = Field(
        description="Around the first hit, at most 160 characters; empty where there is no text."
    )
    excerpt_hits: list[HitRange]
    state: str | None = Field(description="Status of a ticket, state of a contact.")
    channel: str | None
    author: str | None = Field(description="Who wrote it; messages and notes only.")
    ticket_number: int | None
    ticket_id: str | None
    interaction_id: str | None
    customer_id: str | None


class SearchGroupView(View):
    """Hits of one kind, best and newest first."""

    kind: SearchKind
    items: list[SearchHitView]
    more: str | None = Field(description="Cursor for the next page of this kind, None if this was the last.")


class SearchView(View):
    """Groups that have hits, the one with the best match first. With `kind`, that one alone."""

    groups: list[SearchGroupView]
