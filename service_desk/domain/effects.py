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
    """End a leg."""

    KIND: ClassVar[str] = "hang_up_call"
    account: str
    interaction_id: str
    call_id: str

    @property
    def key(self) -> str:
        return f"{self.KIND}:{self.call_id}"


Effect: TypeAlias = ConnectCall | PutBackCall | HangUpCall
EFFECTS: dict[str, type[ConnectCall] | type[PutBackCall] | type[HangUpCall]] = {
    kind.KIND: kind for kind in (ConnectCall, PutBackCall, HangUpCall)
}
