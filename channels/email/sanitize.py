"""Rich text of strangers, made harmless: nh3 decides what stays, remote images wait until somebody asks.

What comes out is made to be shown in a sandboxed frame; it holds nothing that loads by itself or runs.
"""

import html as entities
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import nh3

from channels.email.words import clean_lines

DEPTH = 2_000
"""Elements inside each other. Beyond it the sanitiser's time grows with the square (100,000: 30 s)."""
ATTRIBUTES = 1_000
"""Of one element, for the same reason."""
REFERENCES = 200_000
"""Ampersands: a million take the sanitiser 13 s."""

TAGS = frozenset(
    [
        "a",
        "abbr",
        "address",
        "b",
        "bdi",
        "bdo",
        "big",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "details",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "font",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
    ]
)
DROPPED = frozenset({"script", "style", "title", "noscript", "template", "iframe", "object", "svg", "math"})
"""Elements whose content goes, too."""
_CELL = frozenset({"align", "valign", "width", "height", "bgcolor", "colspan", "rowspan"})
ALLOWED = {
    "*": {"style", "dir", "lang", "title", "align"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height", "border"},
    "blockquote": {"type"},
    "font": {"color", "face", "size"},
    "table": {"border", "cellpadding", "cellspacing", "width", "bgcolor"},
    "td": set(_CELL),
    "th": set(_CELL),
    "tr": {"valign", "bgcolor"},
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "ol": {"start", "type", "reversed"},
    "ul": {"type"},
    "li": {"value"},
}
STYLES = frozenset(
    [
        "background-color",
        "border",
        "border-bottom",
        "border-collapse",
        "border-color",
        "border-left",
        "border-radius",
        "border-right",
        "border-spacing",
        "border-style",
        "border-top",
        "border-width",
        "color",
        "direction",
        "display",
        "font",
        "font-family",
        "font-size",
        "font-style",
        "font-weight",
        "height",
        "letter-spacing",
        "line-height",
        "list-style-type",
        "margin",
        "margin-bottom",
        "margin-left",
        "margin-right",
        "margin-top",
        "max-width",
        "min-width",
        "padding",
        "padding-bottom",
        "padding-left",
        "padding-right",
        "padding-top",
        "table-layout",
        "text-align",
        "text-decoration",
        "text-indent",
        "text-transform",
        "vertical-align",
        "white-space",
        "width",
        "word-break",
        "word-spacing",
    ]
)
SCHEMES = frozenset({"http", "https", "mailto", "tel", "cid"})
LOADING_STYLE = re.compile(r"url|image|expression|import|\\|/\*|@|<", re.IGNORECASE)
CONTENT_ID = re.compile(r"[^\s<>\"'&\x00-\x1f\x7f-\x9f]{1,250}")
RASTER = re.compile(r"data:image/(?:png|gif|jpe?g|webp);base64,[A-Za-z0-9+/=\s]+", re.IGNORECASE)

# In what nh3 writes, attribute values are always in double quotes and hold none; "<" begins elements only,
# except inside attribute values, where no complete attribute can follow it.
IMAGE = re.compile(r'<img((?: [a-z-]+="[^"]*")*)>')
SOURCE = re.compile(r' src="([^"]*)"')
ELEMENT = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
BARE_ELEMENT = re.compile(r"<(/?)([a-z0-9]+)>")

LONE_AMPERSAND = re.compile(r"&(?!(?:[A-Za-z][A-Za-z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});)")
"""Begins no character reference. As it stands it costs the sanitiser several times what an escaped one does."""

IMPLIED_END = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "dd",
        "dt",
        "embed",
        "hr",
        "img",
        "input",
        "li",
        "link",
        "meta",
        "option",
        "p",
        "param",
        "source",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "track",
        "wbr",
        "colgroup",
    ]
)
"""They close themselves, so that they never nest."""
BLOCKS = frozenset(
    [
        "address",
        "blockquote",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "summary",
        "table",
        "tr",
        "ul",
    ]
)


@dataclass(frozen=True, slots=True)
class CleanHtml:
    """Harmless rich text, how many remote images wait in it, and which attached ones it shows."""

    html: str
    remote_images: int = 0
    content_ids: frozenset[str] = field(default=frozenset())


class TooTangledError(ValueError):
    """Nested so deeply that cleaning would take unreasonably long."""


def clean_html(text: str) -> CleanHtml:
    """Make a stranger's rich text harmless. TooTangledError when it is not worth the time.

    Attached images keep `src="cid:..."`; addresses of remote ones move to `data-remote-src`.
    """
    text = _encodable(text)
    check_tangle(text)
    cleaned = _INCOMING.clean(text)
    counted = _Images()
    return CleanHtml(IMAGE.sub(counted.park, cleaned), counted.remote, frozenset(counted.content_ids))


def shown_ids(cleaned: str) -> list[str]:
    """The content ids of the attached images that `clean_html`'s result shows, each once, as they come in it."""
    sources = (SOURCE.search(found[1]) for found in IMAGE.finditer(cleaned))
    ids = (entities.unescape(source[1][4:]) for source in sources if source and source[1].startswith("cid:"))
    return list(dict.fromkeys(ids))


def show_html(cleaned: str, images: Mapping[str, str], *, remote: bool = False) -> str:
    """What `clean_html` made, with the attached images under their addresses; sanitised once more.

    `images` maps content ids to addresses of ours (data: with all the bytes, or https:). Each is written once, at
    its first place, so that the page is no longer than its parts together; at further places only the words
    (`alt`) stand. `remote` puts remote images back, when the reader asked for them.
    """
    waiting = dict(images)

    def place(found: re.Match[str]) -> str:
        attributes = found[1]
        source = SOURCE.search(attributes)
        if source is not None and source[1].startswith("cid:"):
            address = waiting.pop(entities.unescape(source[1][4:]), None)
            shown = "" if address is None else f' src="{entities.escape(address)}"'
            return f"<img{SOURCE.sub('', attributes)}{shown}>"
        if remote:
            return f"<img{attributes.replace(' data-remote-src=', ' src=')}>"
        return found[0]

    again = _SHOWN.clean(_encodable(cleaned))
    return IMAGE.sub(place, again)


def clean_outgoing(text: str) -> str:
    """Rich text that an agent wrote, as it may leave: the same rules, remote images stay where they are."""
    text = _encodable(text)
    check_tangle(text)
    return _INCOMING.clean(text)


def text_of_html(text: str) -> str:
    """What a reader would read: blocks on lines of their own, no markup. TooTangledError as above."""
    text = _encodable(text)
    check_tangle(text)
    bare = _BARE.clean(text)
    out: list[str] = []
    place = 0
    preformatted = 0
    for found in BARE_ELEMENT.finditer(bare):
        out.append(_words(bare[place : found.start()], keep=preformatted > 0))
        place = found.end()
        closing, name = found[1] == "/", found[2]
        if name == "pre":
            preformatted = max(0, preformatted + (-1 if closing else 1))
        out.append(_break(name, closing=closing))
    out.append(_words(bare[place:], keep=preformatted > 0))
    return _tidy("".join(out))


def crude_text(text: str) -> str:
    """What stands between the elements, however they nest: for rich text that is too tangled to clean."""
    return _tidy(clean_lines(entities.unescape(re.sub(r"<[^<>]{0,2000}>", " ", text))))


def check_tangle(text: str) -> None:
    """Raise TooTangledError for what would take the sanitiser long. One pass; counts a little too much."""
    if text.count("&") > REFERENCES:
        raise TooTangledError("the rich text has too many ampersands")
    open_of: dict[str, int] = {}
    depth = 0
    for found in ELEMENT.finditer(text):
        name = found[2].lower()
        if name in IMPLIED_END:
            continue
        if found[1]:
            if open_of.get(name, 0):
                open_of[name] -= 1
                depth -= 1
            continue
        open_of[name] = open_of.get(name, 0) + 1
        depth += 1
        if depth > DEPTH:
            raise TooTangledError("the rich text is nested too deeply")
    longest = max((piece.count("=") + piece.count(" ") for piece in text.split("<")), default=0)
    if longest > ATTRIBUTES and _many_attributes(text):
        raise TooTangledError("an element has too many attributes")


def _many_attributes(text: str) -> bool:
    """Looks only at what stands before the first > of each element."""
    return any(
        len(piece.partition(">")[0].split()) > ATTRIBUTES
        or piece.partition(">")[0].count("=") > ATTRIBUTES
        or piece.partition(">")[0].count("/") > ATTRIBUTES
        for piece in text.split("<")
    )


class _Images:
    """Parks the addresses of remote images and notes which attached ones are shown."""

    def __init__(self) -> None:
        self.remote = 0
        self.content_ids: set[str] = set()

    def park(self, found: re.Match[str]) -> str:
        source = SOURCE.search(found[1])
        if source is None or source[1].startswith("data:"):
            return found[0]
        if source[1].startswith("cid:"):
            self.content_ids.add(entities.unescape(source[1][4:]))
            return found[0]
        self.remote += 1
        return f"<img{SOURCE.sub(lambda one: f' data-remote-src={chr(34)}{one[1]}{chr(34)}', found[1])}>"


def _filter(tag: str, name: str, value: str) -> str | None:
    if name == "style":
        return None if LOADING_STYLE.search(value) else value
    if name == "src":
        return _source(value)
    if name == "data-remote-src":
        return value if value.startswith(("http://", "https://")) else None
    if name == "href":
        return None if value.lower().startswith(("cid:", "data:")) else value
    if tag == "blockquote" and name == "type":
        return value if value == "cite" else None
    return value


def _source(value: str) -> str | None:
    value = value.strip()
    scheme = value.partition(":")[0].lower()
    if scheme == "cid":
        return f"cid:{value[4:]}" if CONTENT_ID.fullmatch(value[4:]) else None
    if scheme == "data":
        return value if RASTER.fullmatch(value) else None
    if value.startswith("//"):
        return f"https:{value}"
    return value if scheme in {"http", "https"} else None


def _cleaner(*, parked: bool) -> nh3.Cleaner:
    allowed = {tag: set(names) for tag, names in ALLOWED.items()}
    if parked:
        allowed["img"].add("data-remote-src")
    return nh3.Cleaner(
        tags=set(TAGS),
        clean_content_tags=set(DROPPED),
        attributes=allowed,
        attribute_filter=_filter,
        strip_comments=True,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes=set(SCHEMES) | {"data"},
        filter_style_properties=set(STYLES),
        url_relative="deny",
    )


_INCOMING = _cleaner(parked=False)
_SHOWN = _cleaner(parked=True)
_BARE = nh3.Cleaner(
    tags=set(TAGS),
    clean_content_tags=set(DROPPED),
    attributes={"*": set()},
    link_rel=None,
    strip_comments=True,
)


def _encodable(text: str) -> str:
    """Without NUL and half surrogates, which nh3 cannot take, and without the ampersands that slow it down."""
    text = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return LONE_AMPERSAND.sub("&amp;", text)


def _words(text: str, *, keep: bool) -> str:
    text = entities.unescape(text)
    if keep or not text:
        return text
    inner = " ".join(text.split())
    before = " " if text[0].isspace() and inner else ""
    after = " " if inner and text[-1].isspace() else ""
    return before + inner + after


def _break(name: str, *, closing: bool) -> str:
    if name == "br":
        return "\n"
    if name in {"td", "th"}:
        return "\t" if closing else ""
    if name == "p":
        return "\n\n" if closing else "\n"
    if name == "li":
        return "" if closing else "\n- "
    return "\n" if name in BLOCKS else ""


def _tidy(text: str) -> str:
    """No blanks at line ends, at most one empty line in a row."""
    lines: list[str] = []
    for line in clean_lines(text.replace("\xa0", " ")).split("\n"):
        stripped = line.rstrip()
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    return "\n".join(lines).strip("\n")
