"""Which TwiML the provider takes.

Elements, nesting and attribute names are read from its SDK's classes when this module is imported; the SDK is
generated from the provider's own description. Value sets are ours, from its manual.
"""

import inspect
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType

from twilio.twiml import TwiML, lower_camel, voice_response

from channels.phone.render import LANGUAGES

DOCUMENT_BYTES = 64 * 1024
ROOT = "Response"
LIMITED_VERBS = frozenset({"Say", "Play", "Pause", "Redirect"})
"""All that a document may hold that a participant hears while waiting or held."""

TOO_LARGE = 11750
WRONG_TYPE = 12300
BAD_XML = 12100
BAD_SCHEMA = 12200
NOT_ALLOWED_WHILE_WAITING = 13238


class TwimlError(Exception):
    """A document that the provider refuses, with the provider's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class ElementRules:
    """What may stand inside an element: children with their attributes, and text."""

    children: Mapping[str, frozenset[str]]
    text: bool


def read_document(body: bytes) -> ET.Element:
    """The root of a document that the provider would carry out. Raises TwimlError."""
    if len(body) > DOCUMENT_BYTES:
        raise TwimlError(TOO_LARGE, "the document is larger than 64 kB")
    if b"<!" in body.replace(b"<!--", b""):
        raise TwimlError(BAD_XML, "declarations are not taken")
    try:
        root = ET.fromstring(body.decode("utf-8"))  # noqa: S314 - declarations, hence entities, are refused above
    except (ET.ParseError, ValueError) as error:
        raise TwimlError(BAD_XML, f"the document cannot be parsed: {error}") from error
    if root.tag != ROOT:
        raise TwimlError(BAD_XML, f"the root is <{root.tag}>, not <{ROOT}>")
    if root.attrib:
        raise TwimlError(BAD_SCHEMA, f"<{ROOT}> takes no attributes")
    _check(root)
    return root


def check_limited(root: ET.Element) -> None:
    """Raise TwimlError for what nobody may hear while waiting in a conference or on hold."""
    for verb in root:
        if verb.tag not in LIMITED_VERBS:
            raise TwimlError(NOT_ALLOWED_WHILE_WAITING, f"<{verb.tag}> is not allowed while waiting or held")


def _check(element: ET.Element) -> None:
    rules = GRAMMAR[element.tag]
    texts = [element.text, *(child.tail for child in element)]
    if not rules.text and any(text and text.strip() for text in texts):
        raise TwimlError(BAD_SCHEMA, f"<{element.tag}> takes no text")
    for child in element:
        allowed = rules.children.get(child.tag)
        if allowed is None:
            raise TwimlError(BAD_SCHEMA, f"<{child.tag}> may not stand in <{element.tag}>")
        for name, value in child.attrib.items():
            _check_attribute(child.tag, _plain(name), value, allowed)
        _check(child)


def _check_attribute(tag: str, name: str, value: str, allowed: frozenset[str]) -> None:
    if name not in allowed:
        raise TwimlError(BAD_SCHEMA, f"<{tag}> has no attribute {name}")
    takes = VALUES.get((tag, name)) or VALUES.get(("*", name))
    if takes is not None and not takes(value):
        raise TwimlError(BAD_SCHEMA, f"{name}={value!r} of <{tag}> is not a value that it takes")


def _plain(name: str) -> str:
    return name.replace("{http://www.w3.org/XML/1998/namespace}", "xml:")


# --- read from the SDK --------------------------------------------------------------------------------------


def _derive() -> dict[str, ElementRules]:
    classes = {
        name: value
        for name, value in vars(voice_response).items()
        if inspect.isclass(value) and issubclass(value, TwiML) and value is not TwiML
    }
    derived: dict[str, ElementRules] = {}
    for value in classes.values():
        tag, children = _tag(value), _children(value, classes)
        known = derived.get(tag)
        if known is not None:  # two classes write the same element, in two places
            children = {**known.children, **children}
        derived[tag] = ElementRules(
            children, text=bool(_content(value)) or (known is not None and known.text)
        )
    return derived


def _content(element: type[TwiML]) -> list[str]:
    """Parameters of a class that become the element's text."""
    return [name for name in inspect.signature(element.__init__).parameters if name not in {"self", "kwargs"}]


def _tag(element: type[TwiML]) -> str:
    return str(element(*("" for _ in _content(element))).name)


def _children(element: type[TwiML], classes: Mapping[str, type[TwiML]]) -> dict[str, frozenset[str]]:
    """A method that nests another class is an edge; its parameters, less the text, are the attributes."""
    children: dict[str, frozenset[str]] = {}
    for method in vars(element).values():
        if not isinstance(method, FunctionType) or method.__name__.startswith("_"):
            continue
        nested = [classes[name] for name in method.__code__.co_names if name in classes]
        if len(nested) == 1:
            child = nested[0]
            parameters = inspect.signature(method).parameters.keys() - {"self", "kwargs", *_content(child)}
            names = frozenset(_attribute(name) for name in parameters)
            children[_tag(child)] = children.get(_tag(child), frozenset()) | names
    return children


def _attribute(parameter: str) -> str:
    return str(lower_camel(TwiML.MAP.get(parameter, parameter)))


GRAMMAR: Mapping[str, ElementRules] = _derive()


# --- values -------------------------------------------------------------------------------------------------

Takes = Callable[[str], bool]


def _one_of(*values: str) -> Takes:
    return frozenset(values).__contains__


def _words_of(*values: str) -> Takes:
    allowed = frozenset(values)
    return lambda value: bool(value.split()) and set(value.split()) <= allowed


def _number(low: int, high: int) -> Takes:
    return lambda value: value.isascii() and value.isdigit() and low <= int(value[:9]) <= high


def _like(pattern: str) -> Takes:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _speaks(value: str) -> bool:
    return value in LANGUAGES


_flag = _one_of("true", "false")
_url = _like(r"[^\s<>\"]{1,2000}")
_url_or_none = _like(r"[^\s<>\"]{0,2000}")
_method = _one_of("GET", "POST")

VALUES: Mapping[tuple[str, str], Takes] = {
    ("*", "method"): _method,
    ("*", "action"): _url,
    ("*", "statusCallback"): _url,
    ("*", "statusCallbackMethod"): _method,
    ("*", "recordingStatusCallback"): _url,
    ("*", "recordingStatusCallbackMethod"): _method,
    ("Say", "language"): _speaks,
    ("Say", "loop"): _number(0, 1_000),
    ("Say", "voice"): _like(r"man|woman|alice|(Polly|Google)\.[A-Za-z0-9._-]+"),
    ("Play", "loop"): _number(0, 1_000),
    ("Play", "digits"): _like(r"[0-9A-Dw*#]+"),
    ("Pause", "length"): _number(1, 14_400),
    ("Reject", "reason"): _one_of("rejected", "busy"),
    ("Gather", "input"): _words_of("dtmf", "speech"),
    ("Gather", "numDigits"): _number(1, 1_000),
    ("Gather", "timeout"): _number(1, 600),
    ("Gather", "finishOnKey"): _like(r"[0-9*#]?"),
    ("Gather", "actionOnEmptyResult"): _flag,
    ("Gather", "bargeIn"): _flag,
    ("Dial", "timeout"): _number(1, 600),
    ("Dial", "timeLimit"): _number(1, 86_400),
    ("Dial", "hangupOnStar"): _flag,
    ("Dial", "answerOnBridge"): _flag,
    ("Conference", "muted"): _flag,
    ("Conference", "beep"): _one_of("true", "false", "onEnter", "onExit"),
    ("Conference", "startConferenceOnEnter"): _flag,
    ("Conference", "endConferenceOnExit"): _flag,
    ("Conference", "waitUrl"): _url_or_none,
    ("Conference", "waitMethod"): _method,
    ("Conference", "maxParticipants"): _number(2, 250),
    ("Conference", "record"): _one_of("do-not-record", "record-from-start"),
    ("Conference", "trim"): _one_of("trim-silence", "do-not-trim"),
    ("Conference", "coach"): _like(r"CA[0-9a-f]{32}"),
    ("Conference", "participantLabel"): _like(r"[^\x00-\x1f]{1,128}"),
    ("Conference", "statusCallbackEvent"): _words_of(
        "start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement"
    ),
}
