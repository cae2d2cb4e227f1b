"""What a caller is told about their place and callback, in the line's language; English where we have no words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phrases:
    """Sentences of one language; `{n}` is a number."""

    joined: str
    next_one: str
    place: str
    soon: str
    minute: str
    minutes: str
    long: str
    lost: str
    callback_offer: str
    callback_promised: str
    callback_hello: str
    callback_over: str


PHRASES = {
    "en": Phrases(
        joined="Thank you. The next free person is yours.",
        next_one="You are next in line.",
        place="You are number {n} in line.",
        soon="The expected wait is less than a minute.",
        minute="The expected wait is about one minute.",
        minutes="The expected wait is about {n} minutes.",
        long="The expected wait is more than an hour.",
        lost="Sorry, something went wrong. Please call again.",
        callback_offer="To be called back at this number, press 1. You keep your place in line.",
        callback_promised="Thank you. We will call you back at this number. You keep your place in line. Goodbye.",
        callback_hello="This is {brand} with your callback. Please hold the line until somebody is free.",
        callback_over="Sorry, this call is not needed any more. Goodbye.",
    ),
    "de": Phrases(
        joined="Danke. Wir verbinden Sie, sobald jemand frei ist.",
        next_one="Sie sind als Nächstes an der Reihe.",
        place="Sie sind an Position {n} der Warteschlange.",
        soon="Die voraussichtliche Wartezeit beträgt weniger als eine Minute.",
        minute="Die voraussichtliche Wartezeit beträgt etwa eine Minute.",
        minutes="Die voraussichtliche Wartezeit beträgt etwa {n} Minuten.",
        long="Die voraussichtliche Wartezeit beträgt mehr als eine Stunde.",
        lost="Leider ist etwas schiefgegangen. Bitte rufen Sie noch einmal an.",
        callback_offer="Für einen Rückruf unter dieser Nummer drücken Sie die 1. Sie behalten Ihren Platz.",
        callback_promised="Danke. Wir rufen Sie unter dieser Nummer zurück. Sie behalten Ihren Platz. Auf Wiederhören.",
        callback_hello="Hier ist {brand} mit Ihrem Rückruf. Bitte bleiben Sie am Apparat, bis jemand frei ist.",
        callback_over="Dieser Anruf hat sich inzwischen erledigt. Auf Wiederhören.",
    ),
    "es": Phrases(
        joined="Gracias. Le atenderemos en cuanto haya alguien disponible.",
        next_one="Usted es la siguiente persona en la cola.",
        place="Usted ocupa el puesto {n} en la cola.",
        soon="El tiempo de espera previsto es de menos de un minuto.",
        minute="El tiempo de espera previsto es de aproximadamente un minuto.",
        minutes="El tiempo de espera previsto es de unos {n} minutos.",
        long="El tiempo de espera previsto es de más de una hora.",
        lost="Lo sentimos, algo ha fallado. Por favor, llame de nuevo.",
        callback_offer="Si desea que le llamemos a este número, pulse 1. Conservará su puesto en la cola.",
        callback_promised="Gracias. Le llamaremos a este número. Conserva su puesto en la cola. Hasta luego.",
        callback_hello="Le devolvemos la llamada desde {brand}. Por favor, espere a que haya alguien disponible.",
        callback_over="Lo sentimos, esta llamada ya no es necesaria. Hasta luego.",
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
