"""Words with which texts are ended and resumed: exact, however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.contract import TextKeyword
from channels.sms.keywords import LONGEST, WORDS, keyword_of

OUT, IN, HELP = TextKeyword.OPT_OUT, TextKeyword.OPT_IN, TextKeyword.HELP


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("STOP", OUT),
        ("stop", OUT),
        (" Stop. ", OUT),
        ("STOP!!!", OUT),
        ("“Stop”", OUT),
        ("\n\tstop\r\n", OUT),
        ("\uff33\uff34\uff2f\uff30", OUT),  # full width
        ("STOP\u200b", OUT),
        ("🛑 stop 🛑", OUT),
        ("StopAll", OUT),
        ("unsubscribe", OUT),
        ("CANCEL", OUT),
        ("end", OUT),
        ("quit", OUT),
        ("OptOut", OUT),
        ("revoke", OUT),
        ("arrêt", OUT),
        ("ARRE\u0302TE", OUT),
        ("START", IN),
        ("Unstop", IN),
        ("yes", IN),
        ("¡Yes!", IN),
        ("help?", HELP),
        ("INFO", HELP),
        ("aide", HELP),
        ("", None),
        ("...", None),
        ("please stop", None),
        ("stop it", None),
        ("stop stop", None),
        ("s.t.o.p", None),
        ("stopp", None),
        ("nonstop", None),
        ("yes, Tuesday", None),
        ("no", None),
        ("the end", None),
        ("stop" + " " * LONGEST, None),
    ],
)
def test_words(text: str, keyword: TextKeyword | None) -> None:
    assert keyword_of(text) == keyword


signs = st.text(st.sampled_from(" \t\n.,;:!?\"'()*-_«»“”…·👍"), max_size=10)


@given(st.sampled_from(sorted(WORDS)), signs, signs, st.lists(st.booleans(), min_size=12, max_size=12))
def test_case_and_signs_around_do_not_matter(
    word: str, before: str, after: str, capitals: list[bool]
) -> None:
    written = "".join(
        letter.upper() if capital else letter for letter, capital in zip(word, capitals, strict=False)
    )
    assert keyword_of(before + written + after) == WORDS[word]


@given(st.text(max_size=100))
def test_any_text_has_an_answer_and_only_one_word_counts(text: str) -> None:
    found = keyword_of(text)
    if found is not None:
        letters = [part for part in text.split() if any(character.isalnum() for character in part)]
        assert len(letters) == 1
