"""Process settings: a TOML file, then the environment over it. An unknown key stops the start and is named.

What an administrator decides (queues, menus, reasons) is not here but in the database: `domain.config`.
Every limit has its unit in its name. Secrets are never printed.

In the environment a setting is SERVICE_DESK_ and its path, joined by two underscores:
SERVICE_DESK_SERVER__PORT=9000, SERVICE_DESK_ACCOUNTS__PHONE__MAIN__AUTH_TOKEN=... Names are folded to small
letters, lists are written with commas.
"""

import contextlib
import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from channels.load import UnknownChannelError, find
from service_desk.ids import random_bytes
from service_desk.wording import UNKNOWN_FIELD, in_words

PREFIX = "SERVICE_DESK_"
NOT_OURS = ("BUILD_UI", "TEST_", "TWILIO_OPENAPI", "URL", "CONFIG")
"""Names with our prefix that belong to the build, the tests and the command line."""

REDIS_PATH = re.compile(r"(/\d*)?")
DATABASES = ("sqlite:///", "postgresql://", "postgresql+psycopg://")
KEY_BYTES = 32
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

Role = Literal["web", "route", "send"]


class BadSettings(ValueError):
    """Settings that cannot be used; the message names each with its cure."""


class Group(BaseModel):
    """Base: closed and unchangeable, and its errors never show what was given."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Server(Group):
    """Where we listen, and under which address the world knows us."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65_535)
    public_base: str = Field(
        "", description="Scheme, host and port as seen from outside; from host and port if empty."
    )
    allowed_origins: tuple[str, ...] = Field(
        (), description="Further pages of ours, such as a development server's."
    )

    @field_validator("public_base")
    @classmethod
    def plain(cls, value: str) -> str:
        """An absolute URL without user, query and fragment; https unless it is this machine."""
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("write it like https://desk.example.org")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("must hold no user, query or fragment")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("must be https: plain http is for the loopback interface only")
        return value.rstrip("/")


class Secrets(Group):
    """Key material: a file of our own, made on the first start with mode 0600, or one given to all nodes."""

    key: SecretStr | None = Field(None, description="At least 32 characters.", min_length=32)
    key_file: Path | None = Field(None, description="At least 32 bytes; kept unreadable for others.")

    @model_validator(mode="after")
    def one_of_them(self) -> Self:
        if self.key is not None and self.key_file is not None:
            raise ValueError("give key or key_file, not both")
        return self


class Limits(Group):
    """What is bounded, with units: _s seconds, _h hours, _bytes, _characters; the others are counts."""

    json_body_bytes: int = Field(64_000, ge=1_000)
    text_body_bytes: int = Field(
        256_000, ge=1_000, description="Bodies that carry a message or a description."
    )
    webhook_body_bytes: int = Field(256_000, ge=1_000)
    body_read_s: float = Field(10.0, gt=0, description="A body that takes longer to arrive is refused.")
    webhook_answer_s: float = Field(
        8.0, gt=0, le=14.0, description="Then the outage answer; the provider waits 15 s."
    )
    health_read_s: float = Field(2.0, gt=0)
    disk_free_bytes: int = Field(
        1_000_000_000, ge=0, description="With less room for files, /health says degraded."
    )
    session_lifetime_h: float = Field(12.0, gt=0, le=720)
    idempotency_keep_h: float = Field(72.0, ge=1)
    login_failures_per_login: int = Field(5, ge=1, description="For one login from one address, per window.")
    login_failures_per_address: int = Field(50, ge=1)
    login_failures_from_strangers: int = Field(
        20, ge=1, description="For one login from browsers in which it never signed in, per window."
    )
    login_window_s: float = Field(60.0, gt=0)
    login_threads: int = Field(2, ge=1, le=16, description="Password checks at one time; each takes 64 MiB.")
    login_waiting: int = Field(64, ge=1, description="Password checks that may wait for a thread.")
    softphone_token_s: int = Field(3_600, ge=60, le=86_400)
    proxy_body_bytes: int = Field(64_000, ge=1_000)
    proxy_connect_s: float = Field(5.0, gt=0)


class Retention(Group):
    """How long is kept what is not the memory that people work with. Units: _h hours, _d days."""

    raw_inputs_d: float = Field(
        30.0, ge=30, description="What providers sent, word for word; by it repetitions are known."
    )
    ended_sessions_d: float = Field(30.0, ge=0, description="Sign-ins that expired or were revoked.")
    absent_visitors_d: float = Field(
        90.0, ge=1, description="Chat visitors without a running chat, since they were last seen."
    )
    log_h: float = Field(
        24.0, ge=24, description="Events before they are archived; ones that a follower still needs stay."
    )

    @model_validator(mode="after")
    def visitors_outlive_inputs(self) -> Self:
        """What somebody sent says who they were: the auditor looks them up."""
        if self.absent_visitors_d < self.raw_inputs_d:
            raise ValueError("absent_visitors_d must not be less than raw_inputs_d")
        return self


class Simulator(Group):
    """The pretend carrier of the demo: its control API appears at /simulator-api/, its page at /simulator."""

    enabled: bool = False
    url: str = "http://127.0.0.1:0"
    robots: tuple[str, ...] = Field(
        (), description="Logins that are played by programs, for the page to say so."
    )

    @field_validator("url")
    @classmethod
    def loopback_only(cls, value: str) -> str:
        parts = urlsplit(value)
        if (
            parts.scheme != "http"
            or not is_loopback(parts.hostname or "")
            or parts.path.strip("/")
            or parts.query
        ):
            raise ValueError("the simulator listens on this machine: write it like http://127.0.0.1:8081")
        return value.rstrip("/")


class Settings(BaseSettings):
    """All of it. Make one with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
    )

    server: Server = Server()
    database_url: SecretStr = SecretStr("sqlite:///var/desk.sqlite3")
    redis_url: SecretStr | None = None
    var_dir: Path = Path("var")
    roles: Annotated[tuple[Role, ...], NoDecode] = ("web", "route", "send")
    accounts: dict[str, dict[str, Any]] = Field(
        {}, description="By channel and account: the adapter's own settings."
    )
    secrets: Secrets = Secrets()
    limits: Limits = Limits()
    retention: Retention = Retention()
    simulator: Simulator = Simulator()
    nodes_expected: int = Field(
        1, ge=1, description="Processes that should live; with fewer, /health says degraded."
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (), description="Networks whose X-Forwarded-For is believed; nobody else's ever is."
    )
    ws_compress: bool = Field(
        False, description="Compress sockets: six times the memory, for slow lines only."
    )

    @field_validator("database_url")
    @classmethod
    def a_database_of_ours(cls, value: SecretStr) -> SecretStr:
        """Of the two kinds that there are. What was given is not repeated: it may hold a password."""
        import sqlalchemy as sa  # noqa: PLC0415 - what needs no database should start quickly

        cure = "write it like sqlite:///var/desk.sqlite3 or postgresql://desk:password@host:5432/desk"
        url = value.get_secret_value()
        try:
            sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):
            raise ValueError(cure) from None
        if not url.startswith(DATABASES):
            raise ValueError(cure)
        return value

    @field_validator("redis_url")
    @classmethod
    def a_redis_of_ours(cls, value: SecretStr | None) -> SecretStr | None:
        """As its client reads it, and with what that would overlook. Not repeated: it may hold a password."""
        if value is None:
            return value
        from redis.connection import parse_url  # noqa: PLC0415 - it costs a tenth of a second of every start

        cure = "write it like redis://:password@host:6379/0, or rediss:// with TLS"
        url = value.get_secret_value()
        try:
            parse_url(url)
            parts = urlsplit(url)
        except ValueError:
            raise ValueError(cure) from None
        if parts.scheme != "unix" and not (parts.hostname and REDIS_PATH.fullmatch(parts.path)):
            raise ValueError(cure)
        return value

    @field_validator("roles", "trusted_proxies", mode="before")
    @classmethod
    def listed(cls, value: Any) -> Any:
        """In the environment a list is written with commas."""
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("accounts")
    @classmethod
    def checked_by_adapters(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Each account as its adapter's settings object."""
        return {
            channel: {name: _account(channel, name, given) for name, given in accounts.items()}
            for channel, accounts in value.items()
        }

    @model_validator(mode="after")
    def fit_together(self) -> Self:
        """What one group asks of another."""
        local = is_loopback(self.server.host)
        if self.simulator.enabled and not local:
            raise ValueError(
                "simulator.enabled needs server.host 127.0.0.1: it can be used without a password"
            )
        if not self.server.public_base and not local:
            raise ValueError("server.public_base is needed when server.host is not this machine")
        return self

    @property
    def public_base(self) -> str:
        """Scheme, host and port for absolute links, without a last slash."""
        return self.server.public_base or f"http://{bracketed(self.server.host)}:{self.server.port}"

    @property
    def https(self) -> bool:
        return self.public_base.startswith("https:")

    @property
    def cookie_name(self) -> str:
        """The session cookie; the prefix makes browsers insist on https, path / and no other host."""
        return "__Host-desk" if self.https else "desk_session"

    @property
    def browser_cookie_name(self) -> str:
        """Tells a browser in which somebody has signed in before; it opens nothing."""
        return f"{self.cookie_name}_known"

    @property
    def softphone(self) -> Literal["simulator", "twilio", "none"]:
        """How agents' browsers join a call."""
        if not self.accounts.get("phone"):
            return "none"
        return "simulator" if self.simulator.enabled else "twilio"

    def without_account(self, named: Iterable[tuple[str, str]]) -> list[str]:
        """What is lost, in words, of those accounts (channel, name) that the rules name and the settings lack."""
        return [
            f"The rules name the {channel} account {name}, which the settings lack: nothing comes or goes by it. "
            f"Add [accounts.{channel}.{name}], or publish rules without it."
            for channel, name in named
            if name not in self.accounts.get(channel, {})
        ]

    def is_own_origin(self, origin: str) -> bool:
        """Whether a page of this origin is ours. On loopback every name of this machine is the same place."""
        return origin in own_origins(self.public_base) or origin in self.server.allowed_origins

    def trusts(self, address: str) -> bool:
        """Whether a proxy at this address may say who its client is."""
        return is_address(address) and any(
            ipaddress.ip_address(address) in network for network in self.trusted_proxies
        )


def load_settings(path: Path | None = None, **over: Any) -> Settings:
    """Settings from a file, the environment over it, and `over` (groups as dicts) over both.

    Raises BadSettings, which names every setting that is wrong and its cure.
    """
    values = _read_file(path) if path is not None else {}

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the shape that pydantic-settings calls
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=values)

    problems = [_unknown_variable(name) for name in _unknown_variables()]
    try:
        settings = Loaded(**over)
    except ValidationError as error:
        problems += [_in_words(detail) for detail in error.errors(include_input=False, include_url=False)]
    except SettingsError as error:
        problems.append(str(error))
    else:
        if not problems:
            return settings
    where = f"{path} and the environment" if path is not None else "the environment"
    raise BadSettings(
        f"These settings from {where} cannot be used:\n" + "\n".join(f"  {line}" for line in problems)
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSettings(f"The settings file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"The settings file {path} is no valid TOML: {error}.") from None


def _unknown_variables() -> Iterator[str]:
    """Variables with our prefix that name no setting; unknown names further in are found by the models."""
    for name in sorted(os.environ):
        rest = name.upper().removeprefix(PREFIX)
        if rest != name.upper() and not rest.startswith(NOT_OURS):
            first = rest.partition("__")[0].lower()
            if first not in Settings.model_fields:
                yield rest


def _account(channel: str, name: str, given: Any) -> Any:
    try:
        model = find(channel).settings
    except UnknownChannelError as unknown:
        raise ValueError(str(unknown)) from None
    if isinstance(given, model):
        return given
    try:
        return model.model_validate(given)
    except ValidationError as error:  # in our words: pydantic's would show the input, which may be a secret
        details = error.errors(include_input=False, include_url=False)
        words = "; ".join(_in_words(detail, f"{channel}.{name}") for detail in details)
        raise ValueError(words) from None


def _in_words(detail: ErrorDetails, base: str = "") -> str:
    path = [base, *map(str, detail["loc"])] if base else [str(part) for part in detail["loc"]]
    if detail["type"] == UNKNOWN_FIELD:
        return _unknown(path, None if base else _names_at(detail["loc"][:-1]))
    message = in_words(detail)
    return f"{'.'.join(path)}: {message}" if path else message


def _unknown_variable(name: str) -> str:
    """What to say of a variable without its prefix; further in, only its first name is looked at."""
    first, nested, rest = name.partition("__")
    close = difflib.get_close_matches(first.lower(), Settings.model_fields, n=1)
    cure = f"Did you mean {PREFIX}{close[0].upper()}{nested}{rest}?" if close else "Remove it."
    return f"environment variable {PREFIX}{name}: this setting is not known. {cure}"


def _unknown(path: list[str], known: list[str] | None) -> str:
    name = ".".join(path)
    close = difflib.get_close_matches(path[-1], known or [], n=1)
    if close:
        return f"{name}: this setting is not known. Did you mean {close[0]}?"
    return f"{name}: this setting is not known." + (
        f" There are: {', '.join(known)}." if known else " Remove it."
    )


def _names_at(place: tuple[int | str, ...]) -> list[str]:
    """The settings that there are at a place, to suggest one."""
    model: Any = Settings
    for part in place:
        field = getattr(model, "model_fields", {}).get(str(part))
        if field is None:
            return []
        model = field.annotation
    return sorted(getattr(model, "model_fields", {}))


@cache
def own_origins(base: str) -> frozenset[str]:
    """The origins under which a browser may have loaded our pages."""
    parts = urlsplit(base)
    host, port = parts.hostname or "", f":{parts.port}" if parts.port is not None else ""
    names = LOOPBACK_NAMES if is_loopback(host) else (bracketed(host),)
    return frozenset(f"{parts.scheme}://{name}{port}" for name in names)


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def bracketed(host: str) -> str:
    """An IPv6 address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def signing_key(settings: Settings) -> bytes:
    """The key for signing and sealing, made on the first start if there is none. BadSettings if unfit."""
    secrets = settings.secrets
    if secrets.key is not None:
        return secrets.key.get_secret_value().encode()
    if secrets.key_file is None and settings.redis_url is not None:
        raise BadSettings(
            "secrets.key or secrets.key_file is needed in a cluster: all nodes must have the same."
        )
    path = secrets.key_file or settings.var_dir / "secret.key"
    if secrets.key_file is None:
        _make_key(path)
    try:
        key = path.read_bytes().strip()
        mode = path.stat().st_mode
    except OSError as error:
        raise BadSettings(f"secrets.key_file: {path} cannot be read: {error.strerror}.") from None
    if len(key) < KEY_BYTES:
        raise BadSettings(
            f"secrets.key_file: {path} holds {len(key)} bytes; at least {KEY_BYTES} are needed."
        )
    if mode & 0o077:
        raise BadSettings(f"secrets.key_file: others can read {path}. Cure: chmod 600 {path}")
    return key


def _make_key(path: Path) -> None:
    """Write a new key where there is none. Of two processes at once one wins, and both read its key."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(random_bytes(KEY_BYTES).hex().encode())
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
