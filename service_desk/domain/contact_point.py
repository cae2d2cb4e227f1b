"""Folding addresses: one function decides when two spellings are the same contact point."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import phonenumbers

CHARGED = frozenset(
    {
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
        phonenumbers.PhoneNumberType.PAGER,
        phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.VOICEMAIL,
    }
)
"""Numbers that no person is called at, or at a price of their own."""
MAILBOX = re.compile(r"^[^\s@<>\"(),:;\[\]\\]{1,64}@[^\s@<>\"(),:;\[\]\\]{1,255}$")


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """`value` is for comparing, `display` for people."""

    kind: str
    value: str
    display: str


@lru_cache(maxsize=4096)
def fold_phone(text: str, region: str | None = None) -> ContactPoint | None:
    """A phone number as E.164, None if it is none. Cached: parsing costs about 50 microseconds."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return ContactPoint(
        "phone", value, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    )


def fold_mailbox(text: str) -> ContactPoint | None:
    """A mail address in NFC and lower case, None if it is none. Local parts are case-folded by our rule."""
    value = unicodedata.normalize("NFC", text.strip())
    if not MAILBOX.match(value):
        return None
    return ContactPoint("mailbox", value.casefold(), value)


INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""What comes along when an address is copied from a page or an address book."""
EXTENSION = re.compile(r"(?<!\s)\s*+(?:;?ext\.?|[x#,])\s*+=?\s*+\d{1,7}\s*+$", re.IGNORECASE)
NAMED = re.compile(r"^[^<>]*<([^<>]+)>$")
TYPED_CHARACTERS = 320
SHORTEST_UNKNOWN = 8
"""Digits with the country's; shorter ones are taken only where the numbering plan knows them."""


def fold_typed(text: str, regions: Sequence[str]) -> ContactPoint | None:
    """What a person typed or pasted as an address, None if it is none.

    A mailbox if it has an @, also as `Name <mailbox>`. Else a phone number: international, or as it is dialled in
    one of the `regions` (ISO 3166 codes, the likeliest first).
    """
    text = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).strip()
    if len(text) > TYPED_CHARACTERS:
        return None
    if "@" in text:
        named = NAMED.match(text)
        return fold_mailbox((named[1] if named else text).removeprefix("mailto:"))
    return _fold_typed_phone(text, tuple(regions))


def _fold_typed_phone(text: str, regions: tuple[str, ...]) -> ContactPoint | None:
    """The first region in which the number exists wins, then the first in which one of this length could."""
    text = EXTENSION.sub("", text.removeprefix("tel:"))
    if any(character.isalpha() for character in text):
        return None
    tries: list[tuple[str, str | None]] = [(text, region) for region in regions] or [(text, None)]
    if text.startswith(
        "00"
    ):  # dialled abroad like this in most of the world, whatever the desk's own country does
        tries = [("+" + text[2:], None), *tries]
    parsed = [number for number in (_parse(each, region) for each, region in tries) if number is not None]
    best = next((number for number in parsed if phonenumbers.is_valid_number(number)), None)
    number = best or next((each for each in parsed if len(_e164(each)) > SHORTEST_UNKNOWN), None)
    return None if number is None else fold_phone(_e164(number))


def _parse(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    """A number that can be dialled from anywhere; one without its area code is none."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    reason = phonenumbers.is_possible_number_with_reason(number)
    return number if reason == phonenumbers.ValidationResult.IS_POSSIBLE else None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    text: str = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return text


@lru_cache(maxsize=4096)
def region_of_phone(value: str) -> str | None:
    """The country of an E.164 number as ISO 3166 code, None for numbers of no country."""
    number = _parse(value, None)
    region = phonenumbers.region_code_for_number(number) if number is not None else None
    return None if region in (None, phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY, "001") else str(region)


def country_of_phone(value: str) -> str | None:
    """The country whose networks an E.164 number is called through, as ISO 3166 code; None for satellites and the like.

    Also of a number that the numbering plan does not know: then the first country that has its country code.
    """
    number = _as_dialled(value)
    if number is None:
        return None
    region = phonenumbers.region_code_for_number(number)
    region = region or phonenumbers.region_code_for_country_code(number.country_code or 0)
    return str(region) if is_country(region) else None


def is_country(region: str) -> bool:
    """Whether it is the ISO 3166 code of a country that has telephone numbers."""
    return region in phonenumbers.SUPPORTED_REGIONS


def is_charged(value: str) -> bool:
    """Whether an E.164 number is of a kind that costs its caller more, or that nobody speaks at."""
    number = _as_dialled(value)
    return number is not None and phonenumbers.number_type(number) in CHARGED


def reaches(value: str) -> str | None:
    """The E.164 number that answers when this one is dialled; None if it is none."""
    number = _as_dialled(value)
    return None if number is None else _e164(number)


def _as_dialled(value: str) -> phonenumbers.PhoneNumber | None:
    """Without digits too many: exchanges connect the number that is complete and do not look at the rest."""
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        return None
    phonenumbers.truncate_too_long_number(number)
    return number


def region_of_language(tag: str | None) -> str | None:
    """The country of a language tag such as `de-AT`, None if it names none."""
    for part in (tag or "").split("-")[1:]:
        if len(part) == 2 and part.upper() in phonenumbers.SUPPORTED_REGIONS:
            return part.upper()
    return None
