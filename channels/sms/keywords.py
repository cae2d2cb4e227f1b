"""The words with which a customer ends or resumes texts. Pure.

The provider acts on them by itself and passes the text on; where it does not say so (OptOutType comes only with
its Advanced Opt-Out), this list tells. A text is a keyword only when it is that one word: "Stop the machine" and
"yes, Tuesday" are not. What YES means depends on the conversation, so whoever asks should let an OPT_IN change
nothing for a customer who has not opted out.
"""

import unicodedata
from types import MappingProxyType

from channels.contract import TextKeyword

WORDS = MappingProxyType(
    {
        **dict.fromkeys(
            # English, by the provider's default; REVOKE and OPTOUT since the rules of 2025
            ("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"),
            TextKeyword.OPT_OUT,
        ),
        # French (Canada), with the misspellings that the provider takes, too
        **dict.fromkeys(("arret", "arrete", "arrett"), TextKeyword.OPT_OUT),
        **dict.fromkeys(("start", "unstop", "yes"), TextKeyword.OPT_IN),
        **dict.fromkeys(("help", "info", "aide"), TextKeyword.HELP),  # aide: asked of senders in Canada
    }
)
"""Without accents, in small letters: ARRÊT is found as "arret"."""
REPORTED = MappingProxyType(
    {"STOP": TextKeyword.OPT_OUT, "START": TextKeyword.OPT_IN, "HELP": TextKeyword.HELP}
)
"""The provider's own finding (OptOutType)."""
LONGEST = 64
"""Characters of a text that can still be one word with signs around it; longer ones are not looked at."""


def keyword_of(text: str) -> TextKeyword | None:
    """What a text of one word asks for; None for every other text. Case, accents, and signs around are ignored."""
    if len(text) > LONGEST:
        return None
    return WORDS.get(_bare(text))


def _bare(text: str) -> str:
    """Small letters without accents; spaces, punctuation and symbols at both ends are gone."""
    folded = "".join(
        character
        for character in unicodedata.normalize("NFKD", text).casefold()
        if not unicodedata.category(character).startswith(("M", "C")) or character.isspace()
    )
    start, end = 0, len(folded)
    while start < end and not folded[start].isalnum():
        start += 1
    while end > start and not folded[end - 1].isalnum():
        end -= 1
    return folded[start:end]
