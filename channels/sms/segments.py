"""How a text is cut into segments, which is what it costs and how a carrier carries it. Pure.

The composer counts the same way in TypeScript (agent_ui/src/channels/segments.ts); one table of cases checks
both. Source: 3GPP TS 23.038 (GSM 7-bit default alphabet and its extension table), TS 23.040 (concatenation).

A character that takes two places (one of the extension table, one beyond the basic plane of Unicode) is never
cut, so that a segment may end one place early. A carrier may keep longer sequences (an emoji of several parts)
together as well; then it counts a segment more than this. A messaging service of the provider may replace
typographic signs by plain ones (its "smart encoding") and so need fewer.
"""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

TEXT_CHARACTERS = 1_600
"""The provider's limit, counted in UTF-16 code units as a browser counts; error 21617 beyond it."""

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED = frozenset("\f^{}\\[~]|€")


class Encoding(StrEnum):
    """How the characters are written; one that GSM-7 lacks turns the whole text to UCS-2."""

    GSM_7 = "GSM-7"
    UCS_2 = "UCS-2"


ALONE = {Encoding.GSM_7: 160, Encoding.UCS_2: 70}
"""Places in a text of one segment."""
JOINED = {Encoding.GSM_7: 153, Encoding.UCS_2: 67}
"""Places in each segment of a longer text; the rest says how they belong together."""


@dataclass(frozen=True, slots=True)
class Segments:
    """`units` are places taken (septets, or UTF-16 code units); `left` are those free in the last segment.

    `characters` counts as the limit does.
    """

    encoding: Encoding
    units: int
    segments: int
    left: int
    characters: int

    @property
    def too_long(self) -> bool:
        """The provider will not take it."""
        return self.characters > TEXT_CHARACTERS


def plain_text(text: str) -> str:
    """A text as it goes out and comes in: NFC, without NUL."""
    return unicodedata.normalize("NFC", text.replace("\x00", ""))


def count_segments(text: str) -> Segments:
    """Segments of a text, after `plain_text`. An empty text has none, and all places of the first left."""
    text = plain_text(text)
    gsm = all(character in BASIC or character in EXTENDED for character in text)
    encoding = Encoding.GSM_7 if gsm else Encoding.UCS_2
    sizes = [_size(character, encoding) for character in text]
    units, characters = sum(sizes), sum(_size(character, Encoding.UCS_2) for character in text)
    if units <= ALONE[encoding]:
        return Segments(encoding, units, min(len(sizes), 1), ALONE[encoding] - units, characters)
    segments, left = _fill(sizes, JOINED[encoding])
    return Segments(encoding, units, segments, left, characters)


def _size(character: str, encoding: Encoding) -> int:
    if encoding is Encoding.GSM_7:
        return 2 if character in EXTENDED else 1
    return 2 if ord(character) > 0xFFFF else 1


def _fill(sizes: list[int], capacity: int) -> tuple[int, int]:
    """How many segments, and what is left in the last one, when no character is cut."""
    segments, left = 1, capacity
    for size in sizes:
        if size > left:
            segments, left = segments + 1, capacity
        left -= size
    return segments, left
