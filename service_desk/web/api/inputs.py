"""What callers may send, field by field. Unknown fields are refused everywhere."""

import unicodedata
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from service_desk.actions.customers import NAME_CHARACTERS, REMARK_CHARACTERS
from service_desk.actions.messages import TEXT_CHARACTERS
from service_desk.actions.tickets import SUBJECT_CHARACTERS
from service_desk.actions.wrap_up import COMMENT_CHARACTERS
from service_desk.domain.contact_point import TYPED_CHARACTERS
from service_desk.domain.time_zones import is_time_zone


def tidy(text: str) -> str:
    """NFC without control characters, which no screen shows and PostgreSQL does not take."""
    text = unicodedata.normalize("NFC", text)
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs")).strip()


def name_of(text: str) -> str:
    """A name without marks that turn the direction of writing: they make what stands around it read otherwise."""
    return tidy("".join(c for c in text if not "\u202a" <= c <= "\u202e" and not "\u2066" <= c <= "\u2069"))


def not_blank(name: str) -> str:
    """A name that names somebody. Raises ValueError."""
    if not name:
        raise ValueError("write at least one letter")
    return name


LINE = r"^[^\x00-\x1f\x7f]*$"
"""One line, no control characters."""
Prose = Annotated[str, StringConstraints(max_length=TEXT_CHARACTERS), AfterValidator(tidy)]
Name = Annotated[str, StringConstraints(max_length=NAME_CHARACTERS, pattern=LINE), AfterValidator(name_of)]
PersonName = Annotated[Name, AfterValidator(not_blank)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=TEXT_CHARACTERS)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}_[0-9a-z]{26}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Priority = Literal["low", "normal", "high", "urgent"]


class Input(BaseModel):
    """Base: closed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SignIn(Input):
    """A name and a password."""

    login: Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]


class ChosenState(Input):
    """Away needs a reason of the configuration."""

    state: Literal["ready", "away"]
    reason: Key | None = None


class Decline(Input):
    """A reason of the configuration."""

    reason: Key


class Text(Input):
    """What to write or note."""

    text: Words


class NewMessage(Text):
    """What to write in a chat or by text. `seen` is the number of the newest entry that was on screen."""

    seen: int | None = Field(None, ge=0, le=2**31 - 1)
    then: Literal["stay", "wait"] = "stay"


class NewMail(Input):
    """A mail to write; addresses as typed. `then`: it stays with the agent, or waits for the customer."""

    to: Annotated[list[Annotated[str, StringConstraints(max_length=320)]], Field(min_length=1, max_length=50)]
    cc: Annotated[list[Annotated[str, StringConstraints(max_length=320)]], Field(max_length=50)] = []
    subject: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    text: Words
    html: Annotated[str, StringConstraints(max_length=200_000)] | None = None
    attachments: Annotated[list[Id], Field(max_length=50)] = []
    seen: int | None = Field(None, ge=0, le=2**31 - 1)
    then: Literal["stay", "wait"] = "stay"


class WrapUp(Input):
    """A disposition of the configuration."""

    disposition: Key
    comment: Annotated[str, StringConstraints(max_length=COMMENT_CHARACTERS), AfterValidator(tidy)] = ""


class NewTicket(Input):
    """A contact's customer and queue are the ticket's unless they are named."""

    subject: Annotated[str, StringConstraints(min_length=1, max_length=SUBJECT_CHARACTERS)]
    description: Prose = ""
    priority: Priority = "normal"
    customer_id: Id | None = None
    interaction_id: Id | None = None
    queue_id: Key | None = None


class TicketChange(Input):
    """Only what is sent is changed."""

    subject: Annotated[str, StringConstraints(min_length=1, max_length=SUBJECT_CHARACTERS)] = ""
    status: Literal["open", "pending", "solved", "closed"] = "open"
    priority: Priority = "normal"
    assignee_id: Id | None = None
    queue_id: Key | None = None


class Link(Input):
    """A contact that is about the case too."""

    interaction_id: Id


class NewAddress(Input):
    """A phone number in any national or international way, or a mail address; `verified` if the agent checked it."""

    address: Annotated[str, StringConstraints(min_length=1, max_length=TYPED_CHARACTERS)]
    proof: Literal["claimed", "verified"] = "claimed"


class WhoseContact(Input):
    """A customer by id, or the name of one to be made. `remember`: the contact's address is theirs too."""

    customer_id: Id | None = None
    name: PersonName | None = None
    remember: bool = False

    @model_validator(mode="after")
    def one_of_both(self) -> Self:
        if (self.customer_id is None) == (self.name is None):
            raise ValueError("name either a customer_id or the name of somebody new")
        return self


class Typed(Input):
    """An address as typed, for a customer whose country helps to read it."""

    address: Annotated[str, StringConstraints(min_length=1, max_length=TYPED_CHARACTERS)]
    customer_id: Id | None = None


class CustomerChange(Input):
    """Only what is sent is changed."""

    name: PersonName | None = None
    company: Name | None = None
    tier: Literal["standard", "silver", "gold"] = "standard"
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None = (
        None
    )
    time_zone: Annotated[str, StringConstraints(max_length=64, pattern=LINE)] | None = None
    remark: Annotated[str, StringConstraints(max_length=REMARK_CHARACTERS), AfterValidator(tidy)] = ""

    @field_validator("time_zone")
    @classmethod
    def known(cls, value: str | None) -> str | None:
        if value is not None and not is_time_zone(value):
            raise ValueError("this time zone is not known; write it like Europe/Berlin")
        return value


class Page(Input):
    """`before` is the `more` of the page after it."""

    before: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,16}(\.[0-9a-z_]{1,40})?$")] | None = None


class EntriesPage(Page):
    """So many entries at a time."""

    limit: int = Field(50, ge=1, le=200)


STATUS = "open|pending|solved|closed"
PRIORITY = "low|normal|high|urgent"
KEY = "[a-z][a-z0-9_-]{0,39}"
At = Annotated[int, Field(ge=0, le=10**17)]


class TicketFilter(Input):
    """What the list of tickets shows. Several values are separated by commas; times are microseconds, `_to` excluded.

    `assignee` is an agent's id, `me` or `nobody`. `q` is a text as in the search: the newest 500 of its matches count.
    """

    status: Annotated[str, StringConstraints(pattern=rf"^({STATUS})(,({STATUS})){{0,3}}$")] | None = None
    priority: Annotated[str, StringConstraints(pattern=rf"^({PRIORITY})(,({PRIORITY})){{0,3}}$")] | None = (
        None
    )
    queue: Annotated[str, StringConstraints(pattern=rf"^{KEY}(,{KEY}){{0,19}}$")] | None = None
    assignee: Annotated[str, StringConstraints(pattern=r"^(me|nobody|[a-z]{3}_[0-9a-z]{26})$")] | None = None
    brand: Key | None = None
    customer: Id | None = None
    q: str | None = None
    created_from: At | None = None
    created_to: At | None = None
    updated_from: At | None = None
    updated_to: At | None = None
    sort: Literal["updated", "created", "priority"] = "updated"
    order: Literal["desc", "asc"] = "desc"
    before: Annotated[str, StringConstraints(pattern=r"^[0-3]\.[0-9]{1,17}\.[a-z0-9_]{1,40}$")] | None = None
    limit: int = Field(50, ge=1, le=100)
