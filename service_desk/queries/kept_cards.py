"""Cards kept from one frame to the next, so that a contact's turn costs one row and not the whole record again."""

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from service_desk.clock import MINUTE, Micros
from service_desk.domain.views import CardView, TimelineView
from service_desk.queries.cards import card
from service_desk.queries.timeline import contact_lines
from service_desk.storage.store import Reader

KEPT = 256
"""Cards; the one used longest ago is forgotten first. One is 64 kB at most, mostly 5."""
KEPT_FOR: Micros = MINUTE
"""Totals count days, so a card grows old also when nothing happens."""


@dataclass(slots=True)
class _Kept:
    view: CardView
    read_at: Micros


class KeptCards:
    """For one reader of the log: it must be told of every event, in order."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def forget(self, customers: Collection[str]) -> None:
        """More than a line of these has changed."""
        for customer_id in customers:
            self._kept.pop(customer_id, None)

    def clear(self) -> None:
        """Events were missed."""
        self._kept.clear()

    def move_lines(self, reader: Reader, position: int, contacts: Iterable[tuple[str, str]]) -> None:
        """(contact, customer): read the contacts' lines of history anew where the customer's card is kept."""
        wanted = {contact: customer for contact, customer in contacts if customer in self._kept}
        if not wanted:
            return
        for line in contact_lines(reader, sorted(wanted)):
            kept = self._kept[wanted[line.id]]
            kept.view = _with_line(kept.view, line, position)

    def cards(self, reader: Reader, customers: Iterable[str]) -> dict[str, CardView]:
        """Cards by customer; those that are not kept are read, and kept."""
        found: dict[str, CardView] = {}
        for customer_id in sorted(customers):
            view = self._take(reader, customer_id)
            if view is not None:
                found[customer_id] = view
        return found

    def _take(self, reader: Reader, customer_id: str) -> CardView | None:
        kept = self._kept.get(customer_id)
        if kept is None or reader.now - kept.read_at > KEPT_FOR:
            view = card(reader, customer_id)
            if view is None:
                return None
            kept = self._kept[customer_id] = _Kept(view, reader.now)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(customer_id)
        return kept.view


def _with_line(view: CardView, line: TimelineView, position: int) -> CardView:
    """The card with one line of history in its new state; a line that is on an older page stays there."""
    timeline = [line if item.id == line.id else item for item in view.timeline]
    return view.model_copy(update={"timeline": timeline, "as_of": max(view.as_of, position)})
