"""Mail addresses, read by our own rules: total, linear, and never misled by a display name.

The standard library takes `alice@good.example <bob@evil.example>` for Alice. Here the last address in angle
brackets wins, and whatever could be read in two ways is named in `doubts`.
"""

import ipaddress
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import idna

from channels.contract import MailAddress
from channels.email.words import decode_words, nfc, one_line

ADDRESSES = 1_000
"""Of one header field; further ones are left out and counted as a doubt."""
FIELD_CHARACTERS = 256 * 1024
NAME_CHARACTERS = 200
ADDRESS_CHARACTERS = 320
LOCAL_BYTES = 64
DOMAIN_CHARACTERS = 253
LABEL_CHARACTERS = 63

SPECIALS = frozenset('()<>[]:;@\\,"')
CLOSERS = {'"': '"', "(": ")", "<": ">", "[": "]"}


@dataclass(frozen=True, slots=True)
class AddressList:
    """What stands in an address field. `doubts` is empty when it could be read in one way only."""

    addresses: tuple[MailAddress, ...] = ()
    doubts: tuple[str, ...] = ()


# --- one address --------------------------------------------------------------------------------------------


def fold(text: str) -> str | None:
    """An address in the one form that we compare and store, or None if it cannot be one.

    NFC, lower case, quotes around the local part only where they are needed, the domain in Unicode. Says
    nothing about whether the address exists.
    """
    text = text.strip()
    if not text or len(text) > ADDRESS_CHARACTERS:
        return None
    local, domain = _split(text)
    if not local or not domain:
        return None
    folded_local, folded_domain = _fold_local(local), fold_domain(domain)
    if folded_local is None or folded_domain is None:
        return None
    return f"{folded_local}@{folded_domain}"


def fold_domain(text: str) -> str | None:
    """A domain in lower case and Unicode, or an address literal such as [192.0.2.1]; None if it is neither."""
    if text.startswith("[") and text.endswith("]"):
        return _literal(text[1:-1])
    labels = [_fold_label(label) for label in text.removesuffix(".").split(".")]
    domain = ".".join(label for label in labels if label is not None)
    return domain if None not in labels and len(domain) <= DOMAIN_CHARACTERS else None


def ascii_domain(address: str) -> str | None:
    """A folded address as a server without SMTPUTF8 takes it, or None if its local part is not ASCII."""
    local, _, domain = address.rpartition("@")
    if not local.isascii():
        return None
    if domain.isascii():
        return address
    try:
        return f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"
    except (idna.IDNAError, UnicodeError):
        return None


def _split(text: str) -> tuple[str, str]:
    """Local part and domain; ("", "") when there is no telling where one ends."""
    if not text.startswith('"'):
        local, at, domain = text.partition("@")
        return (local, domain) if at and "@" not in domain else ("", "")
    end = _closing(text, 0)
    if end is None or text[end + 1 : end + 2] != "@":
        return "", ""
    return text[: end + 1], text[end + 2 :]


def _fold_local(local: str) -> str | None:
    if local.startswith('"'):
        inner = _unquoted(local[1:-1])
        folded = _lower(inner)
        if not folded or not folded.replace(" ", "").isprintable():
            return None
        if not _plain_local(folded):
            escaped = folded.replace("\\", "\\\\").replace('"', '\\"')
            folded = f'"{escaped}"'
    else:
        folded = _lower(local)
        if not _plain_local(folded):
            return None
    return folded if len(folded.encode("utf-8", "replace")) <= LOCAL_BYTES else None


def _plain_local(local: str) -> bool:
    """Needs no quotes. Dots anywhere are let through: some providers give such addresses out."""
    return (
        bool(local) and local.isprintable() and not any(c.isspace() or c in SPECIALS for c in local)
    )  # isprintable is False for half surrogates, too


def _lower(text: str) -> str:
    return nfc(nfc(text).lower())


def _fold_label(label: str) -> str | None:
    if not label or len(label) > LABEL_CHARACTERS:
        return None
    folded = _lower(label)
    if folded.startswith("xn--") and folded.isascii():
        return _decoded_label(folded)
    if not all(c.isalnum() or c in "-_" or unicodedata.category(c) in {"Mn", "Mc"} for c in folded):
        return None
    return None if folded.startswith("-") or folded.endswith("-") else folded


def _decoded_label(label: str) -> str | None:
    """An `xn--` label in Unicode; as it is when it is no valid one, as long as it is harmless."""
    try:
        return _lower(idna.decode(label))
    except (idna.IDNAError, UnicodeError):
        return label if all(c.isalnum() or c == "-" for c in label) else None


def _literal(text: str) -> str | None:
    text = text.strip().lower()
    try:
        if text.startswith("ipv6:"):
            return f"[ipv6:{ipaddress.IPv6Address(text[5:]).compressed}]"
        return f"[{ipaddress.IPv4Address(text)}]"
    except ValueError:
        return None


# --- a field ------------------------------------------------------------------------------------------------


def parse_list(text: str) -> AddressList:
    """Every mailbox in an address field, groups flattened. Never raises."""
    doubts: dict[str, None] = {}
    if len(text) > FIELD_CHARACTERS:
        text = text[:FIELD_CHARACTERS]
        doubts["the list of addresses was cut"] = None
    found: list[MailAddress] = []
    for entry in _entries(text, doubts):
        if len(found) >= ADDRESSES:
            doubts["the list of addresses was cut"] = None
            break
        address = _mailbox(entry, doubts)
        if address is not None:
            found.append(address)
    return AddressList(tuple(found), tuple(doubts))


def parse_sender(fields: Sequence[str]) -> tuple[MailAddress | None, tuple[str, ...]]:
    """The author by the From fields of a mail, and why that may be wrong. The last one wins."""
    lists = [parse_list(text) for text in fields]
    doubts = dict.fromkeys(doubt for one in lists for doubt in one.doubts)
    found = [one.addresses for one in lists if one.addresses]
    if len(fields) > 1:
        doubts["there are several From fields"] = None
    if not found:
        return None, (*doubts, "nobody is named as the author")
    if len({address.address for address in found[-1]}) > 1:
        doubts["there are several authors"] = None
    return found[-1][0], tuple(doubts)


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: str  # text, quoted, comment, angle, literal
    text: str


def _entries(text: str, doubts: dict[str, None]) -> Iterator[list[_Piece]]:
    """The pieces between commas, semicolons and the names of groups."""
    pieces: list[_Piece] = []
    for piece in _pieces(text, doubts):
        if piece.kind != "mark":
            pieces.append(piece)
            continue
        if piece.text == ":" and any(_has_address(piece) for piece in pieces):
            pieces.append(_Piece("text", ":"))  # "a@b.example: hello" names no group
            continue
        if piece.text != ":" and pieces:
            yield pieces
        pieces = []
    if pieces:
        yield pieces


def _has_address(piece: _Piece) -> bool:
    return piece.kind == "angle" or (piece.kind == "text" and "@" in piece.text)


def _pieces(text: str, doubts: dict[str, None]) -> Iterator[_Piece]:
    """Cut a field into text, quoted strings, comments, angle addresses, literals and marks. One pass."""
    open_ended: set[str] = set()  # openers that have no end any more: from there on they are plain text
    start = place = 0
    while place < len(text):
        character = text[place]
        if character in ",;:":
            yield from _plain(text[start:place])
            yield _Piece("mark", character)
            start = place = place + 1
        elif character in CLOSERS and character not in open_ended:
            end = _closing(text, place)
            if end is None:
                open_ended.add(character)
                doubts[f"a {character} is never closed"] = None
                place += 1
                continue
            yield from _plain(text[start:place])
            yield _enclosed(character, text[place + 1 : end])
            start = place = end + 1
        else:
            place += 2 if character == "\\" else 1
    yield from _plain(text[start:])


def _plain(text: str) -> Iterator[_Piece]:
    if text and not text.isspace():
        yield _Piece("text", text)
    elif text:
        yield _Piece("text", " ")


def _enclosed(opener: str, inner: str) -> _Piece:
    return _Piece({'"': "quoted", "(": "comment", "<": "angle", "[": "literal"}[opener], inner)


def _closing(text: str, opening: int) -> int | None:
    """Where what opens here ends: backslashes and, for comments, nesting are minded."""
    opener = text[opening]
    closer, depth, place = CLOSERS[opener], 1, opening + 1
    quoted = False
    while place < len(text):
        character = text[place]
        if character == "\\" and opener != "[":
            place += 2
            continue
        if opener == "<" and character == '"':
            quoted = not quoted
        elif character == closer and not quoted:
            depth -= 1
            if depth == 0:
                return place
        elif character == opener == "(":
            depth += 1
        place += 1
    return None


def _mailbox(pieces: list[_Piece], doubts: dict[str, None]) -> MailAddress | None:
    angles = [piece.text for piece in pieces if piece.kind == "angle" and piece.text.strip()]
    if len(angles) > 1:
        doubts["there are several addresses in angle brackets"] = None
    if angles:
        return _named(angles[-1], pieces, doubts)
    return _bare(pieces, doubts)


def _named(inner: str, pieces: list[_Piece], doubts: dict[str, None]) -> MailAddress | None:
    """Name <address>: the name is all that stands outside, and only ever a name."""
    address = fold(_without_route(inner))
    name = _name([piece for piece in pieces if piece.kind in {"text", "quoted", "literal"}])
    if not name:
        name = _name([piece for piece in pieces if piece.kind == "comment"])
    if address is None:
        doubts["an address cannot be read"] = None
        return None
    claimed = fold(name.strip("'\" ")) if "@" in name else None
    if "@" in name and claimed != address:
        doubts["the name looks like another address"] = None
    return MailAddress(address, name)


def _without_route(inner: str) -> str:
    """`@hop.example:user@host.example`, as old programs write it, without the hops."""
    inner = inner.strip()
    if inner.startswith("@"):
        return inner.partition(":")[2]
    return inner[7:] if inner[:7].lower() == "mailto:" else inner


def _bare(pieces: list[_Piece], doubts: dict[str, None]) -> MailAddress | None:
    """An address without brackets, with its owner's name in a comment as people once wrote it."""
    written = "".join(_again(piece) for piece in pieces if piece.kind != "comment").strip()
    if not written:
        return None
    name = _name([piece for piece in pieces if piece.kind == "comment"])
    if "@" in name:
        doubts["the name looks like another address"] = None
    address = fold(written)
    if address is not None:
        return MailAddress(address, name)
    doubts["an address cannot be read" if "@" not in written else "an address stands among other words"] = (
        None
    )
    words = " ".join(written.replace("<", " ").split()).replace(" @", "@").replace("@ ", "@").split(" ")
    folded = [(word, fold(word.strip("':>"))) for word in words]
    candidates = [address for _, address in folded if address is not None]
    if not candidates:
        return None
    rest = " ".join(word for word, address in folded if address is None)
    return MailAddress(candidates[-1], _clean_name(rest) or name)


def _again(piece: _Piece) -> str:
    if piece.kind == "quoted":
        return f'"{piece.text}"'
    return f"[{piece.text}]" if piece.kind == "literal" else piece.text


def _name(pieces: list[_Piece]) -> str:
    words = (_unquoted(piece.text) if piece.kind in {"quoted", "comment"} else piece.text for piece in pieces)
    return _clean_name(" ".join(words))


def _clean_name(text: str) -> str:
    """Encoded words are decoded last, so that nothing inside them is ever taken for an address."""
    return one_line(decode_words(text))[:NAME_CHARACTERS].strip()


def _unquoted(text: str) -> str:
    if "\\" not in text:
        return text
    out, place = [], 0
    while place < len(text):
        place += text[place] == "\\" and place + 1 < len(text)
        out.append(text[place])
        place += 1
    return "".join(out)
