"""Small changes to signed requests, and what the provider's signature covers of them."""

import random
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl

from channels.contract import WebhookRequest


def changed(chance: random.Random, request: WebhookRequest, *headers: str) -> WebhookRequest:
    """One byte otherwise, added or gone: in the URL, in one of these headers, and most often in the body."""
    where = chance.choice(["url", "body", "body", "body", *headers])
    if where == "body":
        return replace(request, body=_other_byte(chance, request.body))
    if where == "url":
        return replace(request, url=_other_byte(chance, request.url.encode()).decode("latin-1"))
    value = _other_byte(chance, request.headers[where].encode()).decode("latin-1")
    return replace(request, headers={**request.headers, where: value})


def signed_text(body: bytes) -> str:
    """What a form adds to the signed text."""
    return joined(dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True)))


def joined(form: Mapping[str, str]) -> str:
    """Names and values one after another, without a border between them, as the signature takes them."""
    return "".join(name + form[name] for name in sorted(form))


def _other_byte(chance: random.Random, text: bytes) -> bytes:
    at = chance.randrange(len(text))
    match chance.choice(["replace", "insert", "remove"]):
        case "insert":
            return text[:at] + bytes([chance.randrange(256)]) + text[at:]
        case "remove":
            return text[:at] + text[at + 1 :]
        case _:
            return text[:at] + bytes([(text[at] + chance.randrange(1, 256)) % 256]) + text[at + 1 :]
