"""What one mailbox needs, and the limits of what a mail may hold.

The signing keys are no setting of a mailbox: they are the installation's secrets and come by constructor.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from channels.email.addresses import fold

MAIL_BYTES = 25 * 1024 * 1024
"""The largest mail that comes in; announced as SIZE, 552 beyond it."""
SENT_BYTES = 25 * 1024 * 1024
"""The largest mail that goes out, as it stands on the wire (files grow by a third)."""
TEXT_CHARACTERS = 500_000
"""A mail's text, in and out. The rest of a longer one that comes in is kept as an attachment."""
HTML_CHARACTERS = 1_000_000
"""Rich text beyond it is not shown as such; it stays an attachment."""
SUBJECT_CHARACTERS = 1_000
HEADER_BYTES = 1024 * 1024
HEADER_LINES = 5_000
DEPTH = 50
"""Multiparts inside each other."""
PARTS = 1_000
REFERENCES = 100
"""Message-IDs that are read from References; `SENT_REFERENCES` are written."""
SENT_REFERENCES = 20
RECIPIENTS = 100
"""Of one mail, in and out."""
FILE_NAME_CHARACTERS = 200

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


def _folded(value: str) -> str:
    folded = fold(value)
    if folded is None or not value.isascii():
        raise ValueError("must be a plain mail address such as help@desk.example")
    return folded


def _host(value: str) -> str:
    if not HOST.fullmatch(value):
        raise ValueError("must be a host name or an IP address")
    return value


Mailbox = Annotated[str, StringConstraints(max_length=254), AfterValidator(_folded)]
Host = Annotated[str, AfterValidator(_host)]
DisplayName = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Port = Annotated[int, Field(ge=0, le=65_535)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Listener(_Strict):
    """Our own SMTP door. It speaks no TLS: on a public network it stands behind a mail server that does."""

    host: Host = "127.0.0.1"
    port: Port = 0
    """0: any free port."""
    hostname: Host = "localhost"
    """How it greets."""
    mail_bytes: int = Field(default=MAIL_BYTES, ge=1_024, le=50 * 1024 * 1024)
    waiting_bytes: int = Field(default=8 * MAIL_BYTES, ge=1_024)
    """Mail of all connections together that is in memory and not yet taken; beyond it, 452."""
    connections: int = Field(default=200, ge=1, le=10_000)
    connections_per_peer: int = Field(default=50, ge=1, le=10_000)
    """From one IP address; 421 beyond either."""
    commands: int = Field(default=2_000, ge=10)
    """Of one kind in one connection; 421 beyond."""
    refusals: int = Field(default=20, ge=1)
    """Unknown recipients in one connection; 421 beyond, against guessing."""
    idle_s: float = Field(default=60.0, gt=0, le=600)
    """Without a byte from the client."""
    mail_s: float = Field(default=600.0, gt=0, le=3_600)
    """For the whole text of one mail."""
    take_s: float = Field(default=30.0, gt=0, le=300)
    """For keeping it; 451 beyond, and the sender comes again."""


class Relay(_Strict):
    """The mail server that takes what we send."""

    host: Host
    port: Port = 587
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    user: str | None = Field(default=None, max_length=256)
    password: SecretStr | None = None
    ca_file: Path | None = None
    """Certificates to believe instead of the machine's, as a PEM file."""
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    """For one command; connecting, and the answer to a mail, count as one each."""
    connections: int = Field(default=8, ge=1, le=100)
    retry_s: float = Field(default=60.0, gt=0)
    """After a refusal for now, when to come again."""

    @model_validator(mode="after")
    def _safe(self) -> "Relay":
        if self.tls == "none" and self.host not in LOOPBACK_HOSTS:
            raise ValueError(
                "tls must be starttls or implicit: plain SMTP is for the loopback interface only"
            )
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        return self


class EmailSettings(_Strict):
    """One mailbox of the desk: its address, the door that its mail comes in by, the relay that it leaves by."""

    mailbox: Mailbox
    aliases: tuple[Mailbox, ...] = Field(default=(), max_length=100)
    """Further addresses whose mail comes here."""
    display_name: DisplayName = ""
    listener: Listener = Listener()
    relay: Relay

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """Every address whose mail comes here, the main one first."""
        return (self.mailbox, *self.aliases)

    @property
    def domain(self) -> str:
        """The right side of our Message-IDs."""
        return self.mailbox.rpartition("@")[2]
