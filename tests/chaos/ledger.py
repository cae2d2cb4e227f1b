"""The ledger: what the outside world knows of a run, in append-only files that the desk cannot touch.

One folder per run, one file per writer, one line of JSON per fact, flushed as it happens: `kill -9` of the desk takes
nothing of it. Instants are microseconds since 1970 of the writer's own clock. Three kinds of writers:

- load generators (`load-*.jsonl`): each input when it is sent and when it is answered (`sent`, `answered`),
- the simulated carrier and its mail provider (`carrier.jsonl`, the record that `SimulatorSettings.record_file` names):
  each webhook and what it was answered, each REST request and whether it was carried out, each mail brought,
- robot agents (`agents-*.jsonl`): frames and offers that they saw, what they asked for and what they were answered.

`run.json` says what ran: the seed, the database. `read` gives it all back for the auditor. A last line that is cut
off (its writer was killed) is left out; any other broken line is an error.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from channels.phone.render import OUTAGE_WORDS

CARRIER = "carrier.jsonl"
RUN = "run.json"
ACKNOWLEDGED = range(200, 300)
"""HTTP statuses and SMTP replies alike; an acknowledged chat message is 200."""


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000


def carrier_file(folder: Path) -> Path:
    """Where the simulated carrier writes: for `SimulatorSettings.record_file`."""
    return folder / CARRIER


def write_run(folder: Path, **facts: Any) -> None:
    """Say what runs: `database_url` (the auditor's default), `seed`, `nodes`, whatever a reader of a failure needs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RUN).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


class Ledger:
    """One writer's file. Several may write into one folder; each has its own."""

    def __init__(self, folder: Path, writer: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{writer}.jsonl").open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Safe to repeat."""
        self._file.close()

    def note(self, kind: str, **facts: Any) -> None:
        """Append a fact, at once."""
        if self._file.closed:  # the run is over; what still trickles in is nobody's
            return
        self._file.write(json.dumps({"at": now_us(), "kind": kind, **facts}, ensure_ascii=False) + "\n")
        self._file.flush()

    def sent(self, channel: str, input_id: str, content: bytes, **facts: Any) -> None:
        """An input is about to leave. `channel`: call, text, mail, chat, line; `input_id` is the desk's key of it.

        That is the CallSid, the MessageSid, the Message-ID, the chat's client id. Sending it again is a line again.
        """
        digest = hashlib.sha256(content).hexdigest()
        self.note("sent", channel=channel, id=input_id, sha256=digest, **facts)

    def answered(self, channel: str, input_id: str, status: int, **facts: Any) -> None:
        """The answer to it: an HTTP status, an SMTP reply, 0 for none."""
        self.note("answered", channel=channel, id=input_id, status=status, **facts)


@dataclass(slots=True)
class Input:
    """Something that a customer did, and whether the desk took it."""

    channel: str
    id: str
    sha256: str
    sent_at: int
    facts: Mapping[str, Any]
    tries: int = 1
    statuses: list[int] = field(default_factory=list)
    answered_at: int | None = None
    """When it was first acknowledged."""

    @property
    def acknowledged(self) -> bool:
        """Whether any try was: then the desk owes it."""
        return self.answered_at is not None


@dataclass(frozen=True, slots=True)
class Webhook:
    """One attempt of the carrier to tell the desk something; status 0 is no answer."""

    at: int
    url: str
    form: Mapping[str, str]
    token: str
    attempt: int
    status: int

    @property
    def name(self) -> str:
        """The last part of the path: voice, status, incoming …"""
        return urlsplit(self.url).path.rpartition("/")[2]

    @property
    def acknowledged(self) -> bool:
        return self.status in ACKNOWLEDGED


@dataclass(frozen=True, slots=True)
class Effect:
    """What the desk had done outside. `kind`: message, mail, call (a leg is updated), joined (a conference)."""

    at: int
    kind: str
    key: str
    """The desk's key in the status callback's address, the Message-ID, the CallSid."""
    status: int
    """What the desk was answered; an effect may have been carried out and answered with 500."""
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Act:
    """Something that an agent saw or did."""

    at: int
    kind: str
    agent: str
    facts: Mapping[str, Any]


@dataclass(slots=True)
class Books:
    """A whole ledger."""

    run: dict[str, Any] = field(default_factory=dict)
    inputs: dict[tuple[str, str], Input] = field(default_factory=dict)
    webhooks: list[Webhook] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)


def read(folder: Path) -> Books:
    """The run's books. FileNotFoundError without a folder, ValueError for a line that is broken."""
    books = Books()
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    if (folder / RUN).exists():
        books.run = json.loads((folder / RUN).read_text(encoding="utf-8"))
    for path in sorted(folder.glob("*.jsonl")):
        for line in _lines(path):
            if path.name == CARRIER:
                _take_carrier(books, line)
            else:
                _take_own(books, line)
    return books


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                return
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path.name}:{number} is no line of JSON") from error


def _take_own(books: Books, line: dict[str, Any]) -> None:
    """A load generator's or a robot's line."""
    at, kind = line.pop("at"), line.pop("kind")
    if kind not in ("sent", "answered"):
        books.acts.append(Act(at, kind, line.pop("agent", ""), line))
        return
    channel, input_id = line.pop("channel"), line.pop("id")
    known = books.inputs.get((channel, input_id))
    if kind == "sent":
        if known is None:
            books.inputs[channel, input_id] = Input(channel, input_id, line.pop("sha256"), at, line)
        else:
            known.tries += 1
    elif known is not None:
        known.statuses.append(line["status"])
        if known.answered_at is None and line["status"] in ACKNOWLEDGED:
            known.answered_at = at
    else:
        raise ValueError(f"{channel} {input_id} was answered and never sent")


def _promised(line: dict[str, Any]) -> int:
    """The status that was answered. The words of a desk that is away take nothing on: the caller is to ask again."""
    return 0 if OUTAGE_WORDS in line.get("answer", "") else int(line.get("status", 0))


def _take_carrier(books: Books, line: dict[str, Any]) -> None:
    match line["kind"]:
        case "webhook":
            facts = {name: line[name] for name in ("at", "url", "form", "token", "attempt")}
            books.webhooks.append(Webhook(**facts, status=_promised(line)))
        case "rest" if line["method"] == "POST" and line["carried_out"]:
            books.effects.append(_rest_effect(line))
        case "conference" if line["event"] == "participant-join":
            books.effects.append(Effect(line["at"], "joined", line["call"], 200, {"name": line["name"]}))
        case "mail":
            effect = Effect(line["at"], "mail", line["message_id"] or "", 250, {"to": line["to"]})
            books.effects.append(effect)


def _rest_effect(line: dict[str, Any]) -> Effect:
    parameters, path = line["parameters"], line["path"]
    if path.endswith("/Messages.json"):
        query = parse_qs(urlsplit(parameters.get("StatusCallback", "")).query)
        return Effect(line["at"], "message", query.get("key", [""])[0], line["status"], parameters)
    subject = path.rpartition("/")[2].removesuffix(".json")
    kind = "call" if "/Calls/" in path else "conference"
    return Effect(line["at"], kind, subject, line["status"], parameters)
