"""What the ticket, customer and identity pages are sent, beyond what the console holds anyway."""

from typing import Literal

from pydantic import Field

from service_desk.domain.views import EntryView, Micros, TicketView, TimelineView, View

PointKind = Literal["phone", "mailbox", "chat"]
Proof = Literal["verified", "claimed", "imported", "seen"]


class MatchView(View):
    """An address that two sides have in common, and how it was proved to be the candidate's."""

    kind: PointKind
    display: str
    proof: Proof


class CandidateView(View):
    """Somebody whom a contact or an address may belong to."""

    customer_id: str
    display_name: str
    company: str | None
    tier: Literal["standard", "silver", "gold"]
    addresses: list[str] = Field(description="Phone numbers and mailboxes, oldest first, at most 3.")
    open_tickets: int
    last_contact_at: Micros | None
    why: list[MatchView] = Field(description="What matched, the contact's own address first.")
    current: bool = Field(description="Whose contact it is now.")


class CandidatesView(View):
    """Whom a contact may be from: the one it is filed under first, then by proof."""

    customer_id: str | None
    address: str | None = Field(
        description="The contact's own address as shown; None if withheld or only a name."
    )
    items: list[CandidateView]


class AddressView(View):
    """How a typed address is understood, and who has it already."""

    kind: PointKind
    display: str
    region: str | None = Field(description="A phone number's country, ISO 3166.")
    holders: list[CandidateView]


class TicketLineView(View):
    """One row of the ticket list."""

    ticket: TicketView
    customer_name: str | None


class TicketListView(View):
    """A page of tickets; `more` is the cursor of the next page."""

    items: list[TicketLineView]
    more: str | None


class FieldChangeView(View):
    """A field of a ticket that changed; values are ids or codes, both None for texts."""

    field: str
    old: str | None
    new: str | None


class StoryItemView(View):
    """One thing that happened in a case. `entry`, `contact` or `changes` is there, by kind."""

    id: str
    kind: Literal["entry", "contact", "change"]
    at: Micros
    entry: EntryView | None = Field(description="A message, a note, or a system line of a linked contact.")
    contact: TimelineView | None = Field(description="A linked contact began.")
    action: str | None = Field(description="What was done to the case, as in the audit: `ticket.changed`.")
    actor: str | None = Field(description="Who did it, by name.")
    changes: list[FieldChangeView]


class StoryPageView(View):
    """A stretch of a case's story, oldest first; `more` is the cursor of the stretch before it."""

    items: list[StoryItemView]
    more: str | None
