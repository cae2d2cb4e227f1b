"""Errors that people and programs see. Each has a stable `code`; the web layer makes problem documents of them."""

from typing import Any


class DeskError(Exception):
    """Base of every refusal that is not a fault of ours. `extras` are JSON-able and go into the answer."""

    status = 400
    code = "invalid"

    def __init__(
        self, detail: str, *, field: str | None = None, code: str | None = None, **extras: Any
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.extras = extras
        if code is not None:
            self.code = code


class Invalid(DeskError):
    """The input is wrong; `field` names it and the detail says the cure."""

    status = 422
    code = "validation"


class NotFound(DeskError):
    """There is no such thing, or not for whom asks."""

    status = 404
    code = "not_found"


class Unauthenticated(DeskError):
    """Nobody is signed in."""

    status = 401
    code = "unauthenticated"


class Forbidden(DeskError):
    """Signed in, but not allowed."""

    status = 403
    code = "forbidden"


class Conflict(DeskError):
    """The state of things forbids it now."""

    status = 409
    code = "conflict"


class OfferClosed(Conflict):
    """The offer is no longer pending; extras: reason (accepted, declined, expired, withdrawn)."""

    code = "offer_closed"


class InvalidTransition(Conflict):
    """The state table has no such step; extras: state, allowed."""

    code = "invalid_transition"


class StaleVersion(DeskError):
    """Somebody changed it meanwhile; extras: current (the newer view)."""

    status = 412
    code = "stale_version"


class TooLarge(DeskError):
    """More than the named limit."""

    status = 413
    code = "too_large"


class TooMany(DeskError):
    """Rate limited; extras: retry_after_s."""

    status = 429
    code = "rate_limited"


class Unavailable(DeskError):
    """The desk cannot take it now; nothing was done."""

    status = 503
    code = "unavailable"
