"""What every account at Twilio needs, whatever it carries.

The same values serve the real provider and the simulator: only `api_base_url` differs.
"""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator

AccountSid = Annotated[str, StringConstraints(pattern=r"^AC[0-9a-fA-F]{32}$")]
ApiKeySid = Annotated[str, StringConstraints(pattern=r"^SK[0-9a-fA-F]{32}$")]
AppSid = Annotated[str, StringConstraints(pattern=r"^AP[0-9a-fA-F]{32}$")]
MessagingServiceSid = Annotated[str, StringConstraints(pattern=r"^MG[0-9a-fA-F]{32}$")]
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
Secret = Annotated[SecretStr, Field(min_length=32, max_length=256)]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class TwilioSettings(BaseModel):
    """The account, its keys, and where its API is."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    account_sid: AccountSid
    auth_token: Secret
    secondary_auth_token: Secret | None = None
    """Also believed while tokens are being rotated."""
    shared_keys: dict[str, Secret] = Field(default_factory=dict)
    """Webhook signing keys by their id, for requests that name one (X-Twilio-Webhooks-Signature-Settings)."""
    api_key_sid: ApiKeySid
    api_key_secret: Secret
    api_base_url: str = "https://api.twilio.com"
    request_timeout_s: float = Field(default=5.0, gt=0, le=30)
    """One REST request, connecting included, in seconds. After it the outcome counts as unknown."""

    @field_validator("api_base_url")
    @classmethod
    def _plain_base(cls, value: str) -> str:
        return plain_base_url(value)


def plain_base_url(value: str) -> str:
    """A base URL without its last slash. ValueError unless it is https, or http to this machine."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an absolute http or https URL")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("must hold no user, query or fragment")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must be https: plain http is for the loopback interface only")
    return value.rstrip("/")


def plain_account_name(value: str) -> str:
    """An account's name as it stands in a webhook's path. ValueError when it cannot stand there."""
    if not ACCOUNT_NAME.fullmatch(value):
        raise ValueError("an account is named by small letters, digits and -")
    return value
