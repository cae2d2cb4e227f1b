"""What callers may send, field by field. Unknown fields are refused everywhere."""

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from service_desk.actions.customers import NAME_CHARACTERS, REMARK_CHARACTERS
from service_desk.actions.messages import TEXT_CHARACTERS
from service_desk.actions.tickets import SUBJECT_CHARACTERS
from service_desk.actions.wrap_up import COMMENT_CHARACTERS
from service_desk.domain.time_zones import is_time_zone


def tidy(text: str) -> str:
    """NFC without control characters, which no screen shows and PostgreSQL does not take."""
    text = unicodedata.normalize("NFC", text)
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs")).strip()


LINE = r"^[^\x00-\x1f\x7f]*$"
"""One line, no control characters."""
Prose = Annotated[str, StringConstraints(max_length=TEXT_CHARACTERS), AfterValidator(tidy)]
Name = Annotated[str, StringConstraints(max_length=NAME_CHARACTERS, pattern=LINE), AfterValidator(tidy)]
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


class CustomerChange(Input):
    """Only what is sent is changed."""

    name: Name | None = None
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
