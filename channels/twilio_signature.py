"""Tells whether a webhook is from the provider and says what was signed.

The official validator answers the first part. It joins names and values without a separator, takes a
repeated pair for one, covers no empty body and never a JSON body without its hash, and says nothing about
age. So a genuine signature is only half of the proof; the rules below are the other half:

- a name is given once;
- each endpoint has parameters that must be there, with a pattern that cannot swallow a neighbour;
- a name that we would read but is missing must not be found inside another parameter (moved by re-splitting);
- names that we do not know are tolerated and logged, but only in the provider's spelling;
- free text is believed only when every name is known;
- words that a customer wrote (`open_text`) may hold anything, a parameter's name as well: there a name counts
  as moved only where the order of names, which the signature keeps, allows it to have been one.

Replays are the desk's business: dedupe keys are natural keys (call, sequence, event), kept for 30 days. The
header I-Twilio-Idempotency-Token repeats with a retry, but it is not signed and changes with a fallback
delivery, so no key is built from it.
"""

import hashlib
import hmac
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from channels.contract import Rejected, Unrecognised, WebhookRequest
from channels.twilio_settings import TwilioSettings

SIGNATURE_HEADER = "x-twilio-signature"
SIGNATURE_SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"
IDEMPOTENCY_HEADER = "i-twilio-idempotency-token"
ALGORITHMS = frozenset({"HMAC_SHA1", "HMAC_SHA256"})
FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"
MAX_PARAMETERS = 200

PLAIN_URL = re.compile(r"[\x21-\x7e]+")
PROVIDER_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,63}")  # how the provider spells names that may come to be

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FormRules:
    """Which parameters an endpoint reads. Patterns are matched against the whole value."""

    required: Mapping[str, re.Pattern[str]]
    optional: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    free_text: frozenset[str] = frozenset()
    """Those of `required` and `optional` whose pattern is loose enough to swallow a neighbour."""
    open_text: str | None = None
    """The one of `required` that a customer writes: it holds any words, and is believed whatever comes along."""

    def after_open_text(self) -> str:
        """The first required name after `open_text` in the order in which names are signed."""
        return min(name for name in self.required if name > (self.open_text or ""))

    def may_hide_in_open_text(self, name: str) -> bool:
        """Whether a parameter that we read could have been swallowed by the customer's words.

        The signed text is in the order of names, and a required name stands in its place. What sorts before
        the words, or after the required name that follows them, was never beside them.
        """
        if self.open_text is None or name not in {*self.required, *self.optional}:
            return False
        return self.open_text < name < self.after_open_text()


@dataclass(frozen=True, slots=True)
class VerifiedForm:
    """Parameters that were signed. `values` holds those that the rules name, nothing else."""

    values: Mapping[str, str]
    all_known: bool
    """False when names came along that we do not know; free text is then not to be believed."""

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    def get(self, name: str) -> str | None:
        """The value, or None when the parameter did not come."""
        return self.values.get(name)


class OfficialValidator(Protocol):
    """The shape of twilio.request_validator.RequestValidator."""

    def compute_signature(self, uri: str, params: dict[str, str], algorithm: str) -> str: ...
    def validate(self, uri: str, params: dict[str, str], signature: str, algorithm: str) -> bool: ...


class Verifier:
    """Checks requests for one account. Its official validators are made once, at start-up.

    `known_names` are all parameters that the provider is known to send on this channel.
    """

    def __init__(self, settings: TwilioSettings, known_names: frozenset[str]) -> None:
        tokens = [settings.auth_token]
        if settings.secondary_auth_token is not None:
            tokens.append(settings.secondary_auth_token)
        self._known = known_names
        self._compound = compound(known_names)
        self._account_sid = settings.account_sid
        self._by_token = [_validator(token) for token in tokens]
        self._by_shared_key = {key: _validator(secret) for key, secret in settings.shared_keys.items()}

    def form(self, request: WebhookRequest, rules: FormRules) -> VerifiedForm:
        """The signed parameters of a request.

        Raises Rejected when it is not from the provider or was re-split, Unrecognised when it is not a form
        or lacks what `rules` require.
        """
        parameters = self._signed_parameters(request)
        self._refuse_resplit(parameters, rules)
        _check_patterns(parameters, rules)
        if parameters.get("AccountSid", self._account_sid) != self._account_sid:
            raise Rejected("the account is not ours")
        unknown = sorted(parameters.keys() - self._known)
        if unknown:
            log.info("unknown webhook parameters: %s", ", ".join(unknown))
        named = {name: parameters[name] for name in (*rules.required, *rules.optional) if name in parameters}
        return VerifiedForm(named, all_known=not unknown)

    def _signed_parameters(self, request: WebhookRequest) -> dict[str, str]:
        if not request.headers.get(SIGNATURE_HEADER):
            raise Rejected("no signature")
        if request.method != "POST":
            raise Unrecognised("only POST is understood", "method")
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body_hash = _body_hash(request.url)
        if content_type == JSON_TYPE:
            self._check_json(request, body_hash)
            raise Unrecognised("this webhook is a form, not JSON", "content-type")
        if content_type != FORM_TYPE:
            raise Unrecognised("not a form", "content-type")
        if body_hash is not None and not _hash_matches(request.body, body_hash):
            raise Rejected("the body's hash is wrong")
        pairs = _read_form(request.body)
        if not pairs:
            raise Rejected("a signature covers no empty body")
        parameters = dict(pairs)
        if len(parameters) != len(pairs):
            raise Rejected("a parameter is repeated")
        self._check_signature(request, parameters)
        return parameters

    def _refuse_resplit(self, parameters: Mapping[str, str], rules: FormRules) -> None:
        """Refuse names and values whose border was moved: `CallSi=dCA1` has the signature of `CallSid=CA1`.

        However the borders are moved, the signed text stays. So a name that we would read, and that is missing,
        must not stand in that text, unless inside a name that is there (CallSid in ParentCallSid).
        """
        for name in parameters.keys() - self._known:
            _refuse_odd_name(name, rules)
        missing = {*rules.required, *rules.optional} - parameters.keys()
        if rules.free_text:
            missing |= self._compound - parameters.keys()
        signed = _SignedText(parameters, self._known, rules)
        for name in missing:
            if any(not signed.explains(name, at) for at in _places_of(name, signed.text)):
                raise Rejected("a parameter was moved into another")

    def _check_json(self, request: WebhookRequest, body_hash: str | None) -> None:
        if body_hash is None:
            raise Rejected("JSON without bodySHA256 is not signed")
        if not _hash_matches(request.body, body_hash):
            raise Rejected("the body's hash is wrong")
        self._check_signature(request, {})

    def _check_signature(self, request: WebhookRequest, parameters: Mapping[str, str]) -> None:
        signature = request.headers[SIGNATURE_HEADER]
        key, algorithm = _signature_settings(request.headers.get(SIGNATURE_SETTINGS_HEADER, ""))
        for validator in self._validators(key):
            if _is_signed(validator, request.url, parameters, signature, algorithm):
                return
        raise Rejected("wrong signature")

    def _validators(self, key: str | None) -> Sequence[OfficialValidator]:
        if key is None:
            return self._by_token
        if key not in self._by_shared_key:
            raise Rejected("signed with a key that we do not know")
        return [self._by_shared_key[key]]


def _validator(secret: SecretStr) -> OfficialValidator:
    made: OfficialValidator = RequestValidator(secret.get_secret_value())
    return made


def _is_signed(
    validator: OfficialValidator, url: str, parameters: Mapping[str, str], signature: str, algorithm: str
) -> bool:
    """The URL as we told it to the provider is what it mostly signs; only else its variants are tried."""
    form = _OneValueForm(parameters)
    expected = validator.compute_signature(url, form, algorithm).encode()
    if hmac.compare_digest(expected, signature.encode("utf-8", "surrogateescape")):
        return True
    return validator.validate(url, form, signature, algorithm)


class _OneValueForm(dict[str, str]):
    """A form as the official validator likes it: it asks a plain dict in vain, by exceptions, for each name."""

    def getall(self, name: str) -> list[str]:
        return [self[name]]


def _signature_settings(header: str) -> tuple[str | None, str]:
    """Key id and algorithm. Rejected for what we do not know: an unknown scheme is not a proof."""
    settings = {"algorithm": "HMAC_SHA1"}
    for part in filter(None, (piece.strip() for piece in header.split(","))):
        name, _, value = part.partition("=")
        if name not in {"key", "algorithm"} or not value:
            raise Rejected("unknown signature settings")
        settings[name] = value
    if settings["algorithm"] not in ALGORITHMS:
        raise Rejected("unknown signature algorithm")
    return settings.get("key"), settings["algorithm"]


def _body_hash(url: str) -> str | None:
    if not PLAIN_URL.fullmatch(url):  # line ends would be dropped without a word below
        raise Rejected("the URL cannot be read")
    try:
        parts = urlsplit(url)
        _ = parts.port  # the official validator stumbles over a bad one
    except ValueError as error:
        raise Rejected("the URL cannot be read") from error
    hashes = [value for name, value in parse_qsl(parts.query) if name == "bodySHA256"]
    if len(hashes) > 1:
        raise Rejected("bodySHA256 is repeated")
    return hashes[0] if hashes else None


def _hash_matches(body: bytes, expected: str) -> bool:
    return hmac.compare_digest(hashlib.sha256(body).hexdigest().encode(), expected.lower().encode())


def _read_form(body: bytes) -> list[tuple[str, str]]:
    try:
        text = body.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError as error:  # also UnicodeDecodeError
        raise Unrecognised("the form cannot be read", "body") from error


def compound(names: frozenset[str]) -> frozenset[str]:
    """Those with two capitals at least, which stand in no ordinary text."""
    return frozenset(name for name in names if sum(map(str.isupper, name)) > 1)


def _refuse_odd_name(name: str, rules: FormRules) -> None:
    """An unknown name must be spelled as the provider's are.

    A customer's own word can be made a name, which cuts their text short there. So between their words and the
    next required name an unknown one must be of more than one word, as new names of the provider are. (What
    such a cut could reach is the text alone, never whose it is, nor which message.)
    """
    if not PROVIDER_NAME.fullmatch(name):
        raise Rejected("a parameter name that the provider does not spell")
    if rules.open_text is None or compound(frozenset({name})):
        return
    if rules.open_text < name < rules.after_open_text():
        raise Rejected("a parameter name in a customer's words")


class _SignedText:
    """The text that the signature covers after the URL, where known names stand in it, and the open text."""

    def __init__(self, parameters: Mapping[str, str], known: frozenset[str], rules: FormRules) -> None:
        self._rules = rules
        self._names: list[tuple[int, int]] = []
        self._open = range(0)
        self.text = ""
        for name in sorted(parameters):
            after_name = len(self.text) + len(name)
            if name in known:
                self._names.append((len(self.text), after_name))
            self.text += name + parameters[name]
            if name == rules.open_text:
                self._open = range(after_name, len(self.text))

    def explains(self, name: str, at: int) -> bool:
        """Whether a missing name may stand there: in a name that is there, or in a customer's words."""
        if at in self._open:
            return not self._rules.may_hide_in_open_text(name)
        return _inside(at, at + len(name), self._names)


def _places_of(name: str, text: str) -> Iterator[int]:
    at = text.find(name)
    while at >= 0:
        yield at
        at = text.find(name, at + 1)


def _inside(start: int, end: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(first <= start and end <= last for first, last in spans)


def _check_patterns(parameters: Mapping[str, str], rules: FormRules) -> None:
    for name in rules.required:
        if name not in parameters:
            raise Unrecognised("a parameter is missing", name)
    for name, pattern in (*rules.required.items(), *rules.optional.items()):
        if name in parameters and not pattern.fullmatch(parameters[name]):
            raise Unrecognised("a parameter has an unexpected form", name)
