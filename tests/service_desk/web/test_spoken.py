"""What callers hear is in their line's language, and true whatever the rules say."""

from typing import Any

import pytest

from channels.contract import DigitsPressed, Hold
from service_desk.actions import admin, calls
from service_desk.desk import Desk
from service_desk.domain.spoken import PHRASES
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import phone

MENU = "phone-menu"


@pytest.mark.parametrize("language", sorted(PHRASES))
async def test_who_joins_a_line_is_answered_in_its_language(desk: Desk, language: str) -> None:
    lines: list[dict[str, Any]] = [{**line, "language": f"{language}-XX"} for line in CONFIG["phone_lines"]]
    await desk.run(admin.publish_config, {**CONFIG, "phone_lines": lines})
    await phone(desk, "CA1", account=MENU)
    heard = await desk.run(calls.choose, MENU, DigitsPressed("CA1", "1", "digit-1"))
    assert isinstance(heard, Hold)
    assert heard.prompt.text == PHRASES[language].joined
    assert heard.prompt.language == f"{language}-XX"


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_who_is_called_back_is_promised_no_place(language: str) -> None:
    """Others may be before them, where the rule calls early (`position`, `within_s`)."""
    words = PHRASES[language]
    hello = words.callback_hello.format(brand="Test Works")
    assert "Test Works" in hello
    assert not any(claim in hello for claim in ("You are next", "als Nächste", "siguiente", words.next_one))


def test_no_two_languages_share_a_sentence() -> None:
    """One that was not translated would show here."""
    for name in PHRASES["en"].__slots__:
        said = [getattr(words, name) for words in PHRASES.values()]
        assert len(set(said)) == len(said), name
