"""The part of the provider's REST API that places calls: what it takes, and what it refuses."""

import re
from collections.abc import Mapping

from channels.simulator.exchange import Exchange
from channels.simulator.grammar import TwimlError, read_document
from channels.simulator.legs import Leg, Progress, Source
from channels.simulator.rest_shapes import INVALID, METHOD, TEXT, URL, ApiError, Rule, between, matches

TWIML_CHARACTERS = 4_000
RINGS_S = 60
NO_TO, NO_FROM, NO_URL, NOT_VERIFIED, BAD_TO = 21201, 21213, 21205, 21210, 21211
E164 = re.compile(r"\+[1-9][0-9]{6,14}")

CREATE_CALL: Mapping[str, Rule] = {
    "To": TEXT,
    "From": TEXT,
    "Url": URL,
    "Method": METHOD,
    "Twiml": lambda value: len(value) <= TWIML_CHARACTERS,
    "FallbackUrl": URL,
    "FallbackMethod": matches("POST"),
    "StatusCallback": URL,
    "StatusCallbackMethod": matches("POST"),
    "StatusCallbackEvent": matches("initiated|ringing|answered|completed"),
    "Timeout": between(1, 600),
}


def place(exchange: Exchange, parameters: Mapping[str, str], events: frozenset[str]) -> Leg:
    """Ring a customer. Only telephones are called, from numbers of the account. Raises ApiError.

    `events` are the steps of the call that are to be told; none: its end.
    """
    sender, number = _parties(exchange, parameters)
    twiml, callback = parameters.get("Twiml"), parameters.get("StatusCallback")
    if (twiml is None) == ("Url" not in parameters):
        raise ApiError(400, NO_URL, "Needs exactly one of Url and Twiml")
    if events and callback is None:
        raise ApiError(400, INVALID, "StatusCallbackEvent without StatusCallback tells nobody")
    check_twiml(twiml)
    return exchange.call_customer(
        number,
        sender,
        Source(parameters.get("Url", ""), parameters.get("Method", "POST"), twiml=twiml),
        fallback_url=parameters.get("FallbackUrl"),
        progress=None if callback is None else Progress(callback, events or frozenset({"completed"})),
        rings_s=int(parameters.get("Timeout", RINGS_S)),
    )


def _parties(exchange: Exchange, parameters: Mapping[str, str]) -> tuple[str, str]:
    """(From, To) of a call that we are asked to place. Raises ApiError."""
    for name, code in (("To", NO_TO), ("From", NO_FROM)):
        if name not in parameters:
            raise ApiError(400, code, f"No '{name}' number is specified")
    sender, number = parameters["From"], parameters["To"]
    if sender not in exchange.numbers:
        raise ApiError(
            400, NOT_VERIFIED, f"The source phone number {sender} is not verified for your account"
        )
    if not E164.fullmatch(number) or number in exchange.numbers:
        raise ApiError(400, BAD_TO, f"The phone number you are attempting to call, {number}, is not valid")
    return sender, number


def check_twiml(twiml: str | None) -> None:
    """Raises ApiError for a document that cannot be carried out; none is none."""
    if twiml is not None:
        try:
            read_document(twiml.encode())
        except TwimlError as error:
            raise ApiError(400, error.code, f"Twiml: {error}") from error
