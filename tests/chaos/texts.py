"""Texts by number, brought straight into the desk: many at once, without a carrier."""

from channels.contract import TextReceived
from service_desk.actions.texts import receive_text
from service_desk.storage.transaction import Tx
from tests.e2e.world import NUMBER, TEXT_ACCOUNT


def bring(tx: Tx, number: int) -> None:
    """The text of this number; again changes nothing."""
    receive_text(
        tx, TEXT_ACCOUNT, TextReceived(sid(number), sender(number), NUMBER, words(number), sid(number))
    )


def sid(number: int) -> str:
    """The carrier's name for it."""
    return f"SM{number:032x}"


def sender(number: int) -> str:
    """Somebody else each time."""
    return f"+1415{2_000_000 + number}"


def words(number: int) -> str:
    return f"text {number} of those that wait"
