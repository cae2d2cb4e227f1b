"""From the desk's answers to what the widget shows. Pure."""

from typing import Any

from channels.contract import Accepted, Answer, Ask, HangUp, Hold, Join, OutboundMessage
from channels.web_chat.parse import clean_text
from channels.web_chat.settings import TEXT_CHARACTERS


def notice(answer: Answer) -> dict[str, Any]:
    """The widget's state after an answer: {"state": open|waiting|asked|talking|ended, "text": words|None}."""
    match answer:
        case Accepted():
            return {"state": "open", "text": None}
        case Hold():
            return {"state": "waiting", "text": clean_text(answer.prompt.text)}
        case Ask():
            return {"state": "asked", "text": clean_text(answer.prompt.text)}
        case Join():
            return {"state": "talking", "text": None}
        case HangUp():
            words = None if answer.prompt is None else clean_text(answer.prompt.text)
            return {"state": "ended", "text": words}


def message(outbound: OutboundMessage) -> dict[str, Any]:
    """An agent's message: {"id", "text"}.

    ValueError when it is empty or over the limit, which the composer checks first.
    """
    text = clean_text(outbound.text)
    if not text.strip():
        raise ValueError("the message is empty")
    if len(text) > TEXT_CHARACTERS:
        raise ValueError("the message is too long")
    return {"id": outbound.key, "text": text}
