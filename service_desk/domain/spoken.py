"""What a waiting caller is told about their place, in the line's language; English where we have no words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """Sentences of one language; `{n}` is a number."""

    next_one: str
    place: str
    soon: str
    minute: str
    minutes: str
    long: str
    lost: str


PHRASES = {
    "en": Phrases(
        next_one="You are next in line.",
        place="You are number {n} in line.",
        soon="The expected wait is less than a minute.",
        minute="The expected wait is about one minute.",
        minutes="The expected wait is about {n} minutes.",
        long="The expected wait is more than an hour.",
        lost="Sorry, something went wrong. Please call again.",
    ),
    "de": Phrases(
        next_one="Sie sind als Nächstes an der Reihe.",
        place="Sie sind an Position {n} der Warteschlange.",
        soon="Die voraussichtliche Wartezeit beträgt weniger als eine Minute.",
        minute="Die voraussichtliche Wartezeit beträgt etwa eine Minute.",
        minutes="Die voraussichtliche Wartezeit beträgt etwa {n} Minuten.",
        long="Die voraussichtliche Wartezeit beträgt mehr als eine Stunde.",
        lost="Leider ist etwas schiefgegangen. Bitte rufen Sie noch einmal an.",
    ),
    "es": Phrases(
        next_one="Usted es la siguiente persona en la cola.",
        place="Usted ocupa el puesto {n} en la cola.",
        soon="El tiempo de espera previsto es de menos de un minuto.",
        minute="El tiempo de espera previsto es de aproximadamente un minuto.",
        minutes="El tiempo de espera previsto es de unos {n} minutos.",
        long="El tiempo de espera previsto es de más de una hora.",
        lost="Lo sentimos, algo ha fallado. Por favor, llame de nuevo.",
    ),
}


def phrases(language: str) -> Phrases:
    """The sentences for a BCP 47 language."""
    return PHRASES.get(language[:2].lower(), PHRASES["en"])


def place_in_words(language: str, position: int | None, expected_wait_s: int | None) -> str:
    """Position (from 1) and expected wait, each only if it is known."""
    words = phrases(language)
    sentences = []
    if position is not None:
        sentences.append(words.next_one if position == 1 else words.place.format(n=position))
    if expected_wait_s is not None:
        sentences.append(_wait(words, expected_wait_s))
    return " ".join(sentences)


def _wait(words: Phrases, seconds: int) -> str:
    minutes = round(seconds / 60)
    if seconds < 45:
        return words.soon
    if minutes <= 1:
        return words.minute
    return words.minutes.format(n=minutes) if minutes <= 60 else words.long
