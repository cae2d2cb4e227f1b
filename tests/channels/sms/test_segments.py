"""Segments of texts: a table that the browser's tests read, too, and what holds for every text."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.sms.segments import (
    ALONE,
    BASIC,
    EXTENDED,
    JOINED,
    TEXT_CHARACTERS,
    Encoding,
    count_segments,
    plain_text,
)

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "segment_cases.json").read_text(encoding="utf-8")
)["cases"]

gsm_text = st.text(st.sampled_from(sorted(BASIC | EXTENDED)), max_size=700)
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=400) | gsm_text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_table(case: dict[str, Any]) -> None:
    counted = count_segments("".join(piece * times for piece, times in case["text"]))
    assert counted.encoding == case["encoding"]
    assert (counted.units, counted.segments, counted.left) == (case["units"], case["segments"], case["left"])
    assert counted.characters == case["characters"]
    assert counted.too_long == (case["characters"] > TEXT_CHARACTERS)


def test_the_alphabet_has_its_size() -> None:
    """128 places, less the escape, in the basic table; ten of the extension table are in use."""
    assert (len(BASIC), len(EXTENDED), len(BASIC & EXTENDED)) == (127, 10, 0)
    assert all(unicodedata.normalize("NFC", character) == character for character in BASIC | EXTENDED)


@given(any_text)
def test_nothing_is_lost_and_nothing_too_many(text: str) -> None:
    counted = count_segments(text)
    if counted.segments <= 1:
        assert counted.units + counted.left == ALONE[counted.encoding]
        assert counted.segments == (1 if plain_text(text) else 0)
        return
    places = JOINED[counted.encoding]
    unused = counted.segments * places - counted.left - counted.units
    assert 0 <= counted.left < places
    assert 0 <= unused < counted.segments  # at most one place at the end of each segment but the last
    assert counted.units > ALONE[counted.encoding]


@given(any_text)
def test_the_encoding_follows_from_the_characters(text: str) -> None:
    gsm = all(character in BASIC or character in EXTENDED for character in plain_text(text))
    assert (count_segments(text).encoding is Encoding.GSM_7) == gsm


@given(any_text)
def test_in_ucs_2_units_are_those_of_utf_16(text: str) -> None:
    counted = count_segments(text)
    assert counted.characters == len(plain_text(text).encode("utf-16-le")) // 2
    if counted.encoding is Encoding.UCS_2:
        assert counted.units == counted.characters


@given(gsm_text, st.sampled_from(sorted(BASIC | EXTENDED)))
def test_one_more_character_never_needs_fewer(text: str, more: str) -> None:
    before, after = count_segments(text), count_segments(text + more)
    assert after.units > before.units
    assert before.segments <= after.segments <= before.segments + 1
    assert after.left < before.left or after.segments > before.segments


@given(any_text)
def test_counting_again_gives_the_same(text: str) -> None:
    assert count_segments(plain_text(text)) == count_segments(text)
