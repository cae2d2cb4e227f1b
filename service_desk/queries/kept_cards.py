"""Cards kept from one frame to the next, so that a contact's turn costs one row and not the whole record again."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from service_desk.clock import MINUTE, Micros
from service_desk.domain.views import CardView, TimelineView
from service_desk.queries.cards import card, foreseen_card
from service_desk.queries.timeline import contact_lines, foreseen_lines
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen

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

    def move_lines(
        self, reader: Reader, position: int, contacts: Collection[str], customer_of: Mapping[str, str]
    ) -> None:
        """Read the contacts' lines of history anew, where their customer's card is kept."""
        if not any(customer_of.get(contact) in self._kept for contact in contacts):
            return
        for line in contact_lines(reader, sorted(contacts)):
            kept = self._kept.get(customer_of.get(line.id, ""))
            if kept is not None:
                kept.view = _with_line(kept.view, line, position)

    def foreseen_move(self, contacts: Collection[str]) -> list[Foreseen]:
        """What `move_lines` asks."""
        return [foreseen_lines(sorted(contacts))] if self._kept and contacts else []

    def cards(self, reader: Reader, customers: Iterable[str]) -> dict[str, CardView]:
        """Cards by customer; those that are not kept are read, and kept."""
        found: dict[str, CardView] = {}
        for customer_id in sorted(customers):
            view = self._take(reader, customer_id)
            if view is not None:
                found[customer_id] = view
        return found

    def foreseen_cards(self, reader: Reader, customers: Iterable[str]) -> list[Foreseen]:
        """What `cards` asks."""
        return [
            each
            for customer_id in sorted(customers)
            if self._fresh(reader, customer_id) is None
            for each in foreseen_card(reader, customer_id)
        ]

    def _fresh(self, reader: Reader, customer_id: str) -> _Kept | None:
        kept = self._kept.get(customer_id)
        return None if kept is None or reader.now - kept.read_at > KEPT_FOR else kept

    def _take(self, reader: Reader, customer_id: str) -> CardView | None:
        kept = self._fresh(reader, customer_id)
        if kept is None:
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
