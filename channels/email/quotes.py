"""Where the sender's own words end and the quoted history begins. Cuts only when it is sure; loses nothing."""

import re

LINES = 20_000
INTRODUCTION_CHARACTERS = 400

WROTE = re.compile(
    r"(?:wrote|schrieb|schreef|écrit|escribió|escreveu|ha scritto|skrev|napisał\(?a?\)?|kirjoitti)\b"
    r".{0,80}:\s*$",
    re.IGNORECASE,
)
WROTE_BEGINS = re.compile(r"^\s*(?:On|Am|Le|El|Il|Em|Op|Den|W dniu|Dnia|Il giorno|\d{1,4}[-./])\b")
DIVIDER = re.compile(
    r"^\s*(?:-{2,}|_{5,})\s*(?:(?:original message|ursprüngliche nachricht|originalnachricht|message d'origine"
    r"|mensaje original|messaggio originale|oorspronkelijk bericht|mensagem original|forwarded message"
    r"|weitergeleitete nachricht)\s*-*)\s*$",
    re.IGNORECASE,
)
OUTLOOK_LINE = re.compile(r"^\s*_{10,}\s*$")
HEADER_LINE = re.compile(r"^\s*\*?(From|Von|De|Da|Van|Från|Fra)\*?\s*:\*?\s*\S", re.IGNORECASE)
SECOND_LINE = re.compile(
    r"^\s*\*?(Sent|Date|To|Gesendet|Datum|An|Envoyé|À|Enviado|Para|Inviato|Verzonden|Aan)\*?\s*:",
    re.IGNORECASE,
)


def split_quoted(text: str) -> tuple[str, str]:
    """The sender's words, and the history below them; the two put together are the text again.

    Answers that stand between quoted lines stay with the quotes: then nothing is cut.
    """
    lines = text.split("\n")
    if len(lines) > LINES:
        return text, ""
    for number in range(len(lines)):
        if _begins_history(lines, number):
            return _cut(lines, number)
    return text, ""


def _begins_history(lines: list[str], number: int) -> bool:
    line = lines[number]
    if line.lstrip().startswith(">"):
        return True
    if len(line) > INTRODUCTION_CHARACTERS:
        return False
    if DIVIDER.match(line) or _outlook(lines, number):
        return True
    return _introduces(lines, number)


def _introduces(lines: list[str], number: int) -> bool:
    """`On Monday, Ann wrote:`, also wrapped, with quoted lines or nothing but history below."""
    if not WROTE_BEGINS.match(lines[number]):
        return False
    joined = ""
    for line in lines[number : number + 3]:
        if not line.strip() or len(joined) > INTRODUCTION_CHARACTERS:
            return False
        joined += " " + line[:INTRODUCTION_CHARACTERS]
        if WROTE.search(joined[-2 * INTRODUCTION_CHARACTERS :]):
            return True
    return False


def _outlook(lines: list[str], number: int) -> bool:
    """A block `From: / Sent:`, with or without a line of underscores above it."""
    if OUTLOOK_LINE.match(lines[number]):
        following = [line for line in lines[number + 1 : number + 4] if line.strip()]
        return bool(following) and HEADER_LINE.match(following[0][:INTRODUCTION_CHARACTERS]) is not None
    if not HEADER_LINE.match(lines[number]) or number + 1 >= len(lines):
        return False
    return SECOND_LINE.match(lines[number + 1][:INTRODUCTION_CHARACTERS]) is not None


def _cut(lines: list[str], number: int) -> tuple[str, str]:
    own, history = lines[:number], lines[number:]
    if not any(line.strip() for line in own):
        return "\n".join(lines), ""
    if any(line.lstrip().startswith(">") for line in history) and _answers_between(history):
        return "\n".join(lines), ""
    return "\n".join(own).rstrip("\n "), "\n".join(history).strip("\n")


def _answers_between(history: list[str]) -> bool:
    """Own words below the first quoted line."""
    quoted = False
    for line in history:
        if line.lstrip().startswith(">"):
            quoted = True
        elif quoted and line.strip():
            return True
    return False
