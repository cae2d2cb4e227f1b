"""Things to do outside after a commit. `key` is stable: the same effect twice is done once."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True, slots=True)
class ConnectCall:
    """Move the caller's leg out of the waiting treatment into the interaction's conference."""

    KIND: ClassVar[str] = "connect_call"
    account: str
    interaction_id: str
    call_id: str
    turn: int

    @property
    def key(self) -> str:
        return f"{self.KIND}:{self.interaction_id}:{self.turn}"


@dataclass(frozen=True, slots=True)
class PutBackCall:
    """Move the caller's leg out of the conference, back to the waiting treatment."""

    KIND: ClassVar[str] = "put_back_call"
    account: str
    interaction_id: str
    call_id: str
    turn: int

    @property
    def key(self) -> str:
        return f"{self.KIND}:{self.interaction_id}:{self.turn}"


@dataclass(frozen=True, slots=True)
class HangUpCall:
    """End a leg. `again_at` (microseconds) makes another of it, where an earlier one did not end the leg."""

    KIND: ClassVar[str] = "hang_up_call"
    account: str
    interaction_id: str
    call_id: str
    again_at: int | None = None

    @property
    def key(self) -> str:
        key = f"{self.KIND}:{self.call_id}"
        return key if self.again_at is None else f"{key}:{self.again_at}"


@dataclass(frozen=True, slots=True)
class DialCustomer:
    """Call a contact's customer, for the nth time (`dial`). Never twice: see background/dialling.py."""

    KIND: ClassVar[str] = "dial_customer"
    account: str
    interaction_id: str
    dial: int

    @property
    def key(self) -> str:
        return f"{self.KIND}:{self.name}"

    @property
    def name(self) -> str:
        """What the provider is told to call it by."""
        return f"{self.interaction_id}.{self.dial}"


def read_dial(name: str) -> tuple[str, int]:
    """(interaction, n) of the name of a call of ours."""
    interaction_id, _, number = name.rpartition(".")
    return interaction_id, int(number)


@dataclass(frozen=True, slots=True)
class SendMessage:
    """Send a mail or a text. `attempt` counts what a person asked for: trying again by hand is another effect."""

    KIND: ClassVar[str] = "send_message"
    account: str
    interaction_id: str
    message_id: str
    attempt: int = 1

    @property
    def key(self) -> str:
        return f"{self.KIND}:{self.message_id}:{self.attempt}"


@dataclass(frozen=True, slots=True)
class FetchMedia:
    """Fetch a picture or file of a text from where the provider keeps it."""

    KIND: ClassVar[str] = "fetch_media"
    account: str
    interaction_id: str
    attachment_id: str
    url: str

    @property
    def key(self) -> str:
        return f"{self.KIND}:{self.attachment_id}"


CallEffect: TypeAlias = ConnectCall | PutBackCall | HangUpCall
MessageEffect: TypeAlias = SendMessage | FetchMedia
Effect: TypeAlias = CallEffect | DialCustomer | MessageEffect
EFFECTS: dict[
    str,
    type[ConnectCall]
    | type[PutBackCall]
    | type[HangUpCall]
    | type[DialCustomer]
    | type[SendMessage]
    | type[FetchMedia],
] = {
    kind.KIND: kind for kind in (ConnectCall, PutBackCall, HangUpCall, DialCustomer, SendMessage, FetchMedia)
}
