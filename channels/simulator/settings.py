"""What the pretend carrier knows when it starts: an account, its numbers and apps, its customers."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from channels.twilio_settings import AccountSid, ApiKeySid, AppSid, MessagingServiceSid, PhoneNumber, Secret

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2_000)]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9*#]+$", max_length=12)]


class NoSuchRouteError(LookupError):
    """Nobody answers this number, or there is no such app."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Route(_Strict):
    """Where calls to a number or an app ask for their instructions."""

    voice_url: Url
    fallback_url: Url | None = None
    status_callback: Url | None = None


class NumberRoute(Route):
    """A telephone number that customers call."""

    number: PhoneNumber
    label: str = ""
    """What the simulator's page calls it."""


class TextRoute(_Strict):
    """A number that customers text to, and where their texts are brought."""

    number: Annotated[str, StringConstraints(pattern=r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8})$")]
    label: str = ""
    """What the simulator's page calls it."""
    sms_url: Url
    fallback_url: Url | None = None
    reports_opt_out: bool = False
    """Whether keywords are reported with the text (OptOutType), as with the provider's Advanced Opt-Out."""


class MessagingService(_Strict):
    """Numbers that send together: a customer who opts out of one has opted out of all."""

    sid: MessagingServiceSid
    numbers: tuple[str, ...] = Field(min_length=1)


class MailProvider(_Strict):
    """The server that takes mail for customers, and where the desk takes theirs."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    """0: any free port; GET /control/mail says which."""
    desk_host: str = "127.0.0.1"
    desk_port: int = Field(default=0, ge=0, le=65_535)
    """0: not known yet; PUT /control/mail sets it."""
    desk_mailboxes: tuple[str, ...] = ()
    """The desk's addresses; customers write to the first unless they say otherwise."""
    kept: int = Field(default=2_000, ge=1, le=100_000)
    """Mails in all mailboxes together; the oldest go first."""


class Person(_Strict):
    """Somebody whom a person at the simulator's page can play."""

    id: str
    name: str
    number: PhoneNumber | None = None
    mailbox: str | None = None
    language: str | None = None
    tier: str | None = None


class AppRoute(Route):
    """A TwiML app that softphones dial."""

    sid: AppSid


class Traffic(_Strict):
    """Customers who call by themselves. Times are pretend seconds."""

    calls_per_minute: float = Field(default=0.0, ge=0, le=6_000)
    to: PhoneNumber | None = None
    """The number that they call; the first one when it is left out."""
    callers: tuple[PhoneNumber, ...] = ()
    """Numbers of customers whom the desk knows."""
    stranger_share: float = Field(default=0.2, ge=0, le=1)
    withheld_share: float = Field(default=0.05, ge=0, le=1)
    menu_digits: Digits = "1234"
    """What a caller presses in the menu: one of these."""
    silent_share: float = Field(default=0.05, ge=0, le=1)
    """Callers who never press a key."""
    patience_mean_s: float = Field(default=180.0, gt=0)
    """Mean of the exponential time after which a waiting caller gives up."""
    talk_median_s: float = Field(default=120.0, gt=0)
    talk_sigma: float = Field(default=0.6, ge=0, le=3)
    """The talk is lognormal: median and sigma of its logarithm."""
    callback_share: float = Field(default=0.5, ge=0, le=1)
    """Of those who hear, once each time, that they may be called back: how many press the key."""
    answer_share: float = Field(default=0.85, ge=0, le=1)
    """How often somebody answers who is called back."""
    living_max: int = Field(default=200, ge=1, le=10_000)
    """Calls at one time; further arrivals find a busy line and are counted."""


class SimulatorSettings(_Strict):
    """One pretend carrier."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    """0: any free port; the first line on standard output says which."""
    account_sid: AccountSid
    auth_token: Secret
    api_key_sid: ApiKeySid
    api_key_secret: Secret
    numbers: tuple[NumberRoute, ...] = ()
    apps: tuple[AppRoute, ...] = ()
    texts: tuple[TextRoute, ...] = ()
    messaging_services: tuple[MessagingService, ...] = ()
    people: tuple[Person, ...] = ()
    mail: MailProvider | None = None
    """Without it customers have no mailboxes."""
    allowed_origins: tuple[str, ...] = ()
    """Pages that may use the control API from a browser, as exact origins."""
    speed: float = Field(default=1.0, gt=0, le=1_000)
    seed: int = 1
    words_s: float = Field(default=0.35, gt=0)
    """Seconds that one spoken word takes."""
    play_s: float = Field(default=20.0, gt=0)
    """Seconds that a piece of music takes: it is not fetched."""
    connect_timeout_s: float = Field(default=5.0, gt=0, le=5)
    answer_timeout_s: float = Field(default=15.0, gt=0, le=15)
    """Real seconds for all attempts of one webhook together."""
    record_file: Path | None = None
    """Where every webhook, REST request and error is appended as a line of JSON."""
    traffic: Traffic = Traffic()


def read_settings(path: Path, overrides: dict[str, Any]) -> SimulatorSettings:
    """Settings from a TOML or JSON file, with values from the command line over it.

    ValueError says what is wrong.
    """
    text = path.read_text(encoding="utf-8")
    values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    traffic = {**values.get("traffic", {}), **overrides.pop("traffic", {})}
    return SimulatorSettings.model_validate({**values, **overrides, "traffic": traffic})
