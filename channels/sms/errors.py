"""The provider's error codes in words that tell an agent what happened and what to do.

Codes below 30000 come with the refusal of a request: nothing was sent. Codes from 30000 come later, with the
status of a message. A code that is not in the table gets a general sentence with its number in it. The table
decides on nothing but the advice whether to send again: the provider divides its codes now and then, so what
happens to a request follows its HTTP status.
"""

from dataclasses import dataclass
from types import MappingProxyType

AGAIN = True
OPTED_OUT = 21610
QUEUE_FULL = 21611


@dataclass(frozen=True, slots=True)
class Explanation:
    """`worth_retrying`: the same message may arrive when it is sent once more, now or later."""

    words: str
    worth_retrying: bool = False


_INVALID = "This is not a telephone number that texts can be sent to. Check the number with the customer."
_LANDLINE = (
    "This number cannot receive texts; it may be a landline. Call instead, or ask for a mobile number."
)
_OUR_NUMBER = (
    "Our number cannot send this text. Tell an administrator that the SMS account's numbers are wrong."
)
_NO_MEDIA = "The attachment cannot be sent this way. Send the text without it, or send it by mail."
_CONTENT = "The network took this text for unwanted content. Write it differently, without links; or call."
_REGISTRATION = (
    "Our number is not registered for texts to this country. Tell an administrator; call meanwhile."
)
_ACCOUNT = "The provider does not accept our account at the moment. Tell an administrator; nothing was sent."
_BUSY = "The provider is busy. Send it again in a few minutes."
_COUNTRY = "Texts to this country are not switched on. Tell an administrator, or call instead."

EXPLANATIONS = MappingProxyType(
    {
        10001: Explanation(_ACCOUNT, AGAIN),
        14107: Explanation(_BUSY, AGAIN),
        20003: Explanation(_ACCOUNT, AGAIN),
        20404: Explanation("The provider does not know this message any more."),
        20429: Explanation(_BUSY, AGAIN),
        21211: Explanation(_INVALID),
        21212: Explanation(_OUR_NUMBER),
        21266: Explanation("This is our own number. Check the customer's number."),
        21408: Explanation(_COUNTRY),
        21601: Explanation(_LANDLINE),
        21602: Explanation("The text is empty. Write something or attach a file."),
        21603: Explanation(_OUR_NUMBER),
        21604: Explanation("There is no number to send to. Add one to the customer."),
        21606: Explanation(_OUR_NUMBER),
        21608: Explanation(
            "The SMS account is on trial and texts only to verified numbers. Tell an administrator."
        ),
        21609: Explanation(
            "The address for delivery reports is wrong. Tell an administrator; nothing was sent."
        ),
        OPTED_OUT: Explanation(
            "The customer has opted out of texts from us. Use another channel; "
            "they can text START to our number to hear from us again."
        ),
        QUEUE_FULL: Explanation(
            "Too many texts are waiting to be sent. Send it again in a few minutes.", AGAIN
        ),
        21612: Explanation("Texts cannot be sent from our number to this one. Call, or use another channel."),
        21614: Explanation(_LANDLINE),
        21617: Explanation("The text is longer than 1,600 characters. Shorten it or send it in parts."),
        21619: Explanation("The text is empty. Write something or attach a file."),
        21620: Explanation("The provider cannot read the attachment's address. Tell an administrator."),
        21623: Explanation("There are more than ten attachments. Send them in several messages."),
        21635: Explanation(_LANDLINE),
        21659: Explanation(_OUR_NUMBER),
        21660: Explanation(_OUR_NUMBER),
        21661: Explanation(_OUR_NUMBER),
        21703: Explanation(_OUR_NUMBER),
        21704: Explanation(_OUR_NUMBER),
        30001: Explanation(_BUSY, AGAIN),
        30002: Explanation(_ACCOUNT, AGAIN),
        30003: Explanation(
            "The phone could not be reached: switched off, without a network, or the number is gone. "
            "Send it again later, or call.",
            AGAIN,
        ),
        30004: Explanation("The customer or their network blocks texts from us. Use another channel."),
        30005: Explanation("This number is not in service. Check the number with the customer."),
        30006: Explanation(_LANDLINE),
        30007: Explanation(_CONTENT),
        30008: Explanation("The network lost the text and does not say why. Send it again.", AGAIN),
        30009: Explanation("Part of the text was lost on the way. Send it again, shorter if you can.", AGAIN),
        30010: Explanation(
            "The text costs more than the account allows. Shorten it or tell an administrator."
        ),
        30011: Explanation(_NO_MEDIA),
        30017: Explanation("The network was full at that moment. Send it again in a few minutes.", AGAIN),
        30018: Explanation(_REGISTRATION),
        30019: Explanation("The attachment is larger than the network carries. Send it by mail."),
        30022: Explanation(
            "More texts were sent than the network allows. Send it again in a few minutes.", AGAIN
        ),
        30023: Explanation(
            "Today's number of texts is used up. Send it tomorrow, or use another channel.", AGAIN
        ),
        30024: Explanation(_REGISTRATION),
        30032: Explanation(_REGISTRATION),
        30034: Explanation(_REGISTRATION),
        30036: Explanation("The text waited too long to be sent and was given up. Send it again.", AGAIN),
        30038: Explanation(_CONTENT),
        30410: Explanation("The network did not answer in time. Send it again.", AGAIN),
        30500: Explanation("The provider had a fault. Send it again.", AGAIN),
        12300: Explanation(_NO_MEDIA),
        11200: Explanation("The provider could not fetch the attachment from us. Send it again.", AGAIN),
    }
)


def explain(code: int | str | None) -> Explanation:
    """A sentence or two for an agent, for every code, also an unknown one or none."""
    number = int(code) if code is not None and str(code).isascii() and str(code).isdigit() else 0
    if number in EXPLANATIONS:
        return EXPLANATIONS[number]
    named = f" (code {number})" if number else ""
    if number >= 30_000:
        return Explanation(f"The network did not deliver the text{named}. Send it again, or call.", AGAIN)
    return Explanation(
        f"The provider did not take the text{named}. Check the number, or use another channel."
    )
