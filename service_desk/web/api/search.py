"""Global search."""

from typing import Annotated, Self

from pydantic import StringConstraints, model_validator

from service_desk.domain.access import Principal, require
from service_desk.domain.search_views import SearchKind, SearchView
from service_desk.queries import search as searching
from service_desk.storage.store import Reader
from service_desk.web.api.inputs import Input
from service_desk.web.openapi import Routes

routes = Routes("search")


class SearchQuery(Input):
    """`cursor` is the `more` of a group; it goes with the group's `kind`."""

    q: str
    kind: SearchKind | None = None
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-3]\.[0-9]{1,19}$")] | None = None

    @model_validator(mode="after")
    def cursors_have_a_kind(self) -> Self:
        if self.cursor is not None and self.kind is None:
            raise ValueError("cursor needs the kind of the group that it came from")
        return self


@routes.get("/api/v1/search", needs="ticket.read")
def search(reader: Reader, who: Principal, query: SearchQuery) -> SearchView:
    """Customers, tickets, contacts, messages and notes by name, number, address or text.

    All words must match, the last may be a beginning. Nothing in `q` is syntax; at most 200 characters.
    """
    if query.kind is not None:
        require(who, searching.PERMISSIONS[query.kind])
    return searching.search(reader, who, query.q, query.kind, query.cursor)
