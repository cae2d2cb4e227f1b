"""Who wrote a mail: a person, or a machine of some kind. Machines are never answered by one (RFC 3834)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from channels.contract import Bounce, Machine, MailAddress, MailEnvelope, MailReceived
from channels.email.addresses import fold
from channels.email.mime import Headers, Part
from channels.email.threads import ThreadTokens, without_token

HOPS = 100
"""Received fields; a mail with more runs in circles (RFC 5321, 6.3)."""
REPORT_BYTES = 64 * 1024
ORIGINAL_BYTES = 256 * 1024
STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
MESSAGE_ID = re.compile(r"<[^<>\s]{1,990}>")
ROBOTS = re.compile(
    r"(?:mailer-daemon|mail-daemon|postmaster|(?:do-?_?not-?_?reply|no-?_?reply)(?:[-+._].*)?|noreply.*)@.*"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the verdict rests on."""

    headers: Headers
    whole: Part
    sender: MailAddress | None
    message_id: str | None
    envelope: MailEnvelope | None
    mailboxes: tuple[str, ...]
    tokens: ThreadTokens | None


def classify(evidence: Evidence) -> tuple[Machine, str]:
    """What kind of writer, and in words by which sign. (Machine.NONE, "") for a person."""
    for kind, look in _SIGNS:
        reason = look(evidence)
        if reason:
            return kind, reason
    return Machine.NONE, ""


def may_answer(mail: MailReceived) -> bool:
    """Whether a machine of ours may answer this mail at all. Limits per sender come on top."""
    return mail.machine is Machine.NONE and mail.sender is not None


def read_bounce(parts: Sequence[Part]) -> Bounce | None:
    """What a delivery report says; None for a mail that is none."""
    status_part = next((part for part in parts if part.kind == "message/delivery-status"), None)
    if status_part is None:
        return None
    fields = _report_fields(status_part.body()[:REPORT_BYTES])
    status = STATUS.search(fields.get("status", "")) or STATUS.search(fields.get("diagnostic-code", ""))
    return Bounce(
        permanent=_permanent(fields.get("action", ""), status[1] if status else None),
        status=status[1] if status else None,
        recipient=fold(fields.get("original-recipient", fields.get("final-recipient", "")).partition(";")[2]),
        message_id=_original_id(parts),
    )


def _permanent(action: str, status: str | None) -> bool | None:
    if status is not None and status[0] in "45":
        return status[0] == "5" and action.strip().lower() != "delayed"
    return {"failed": True, "delayed": False}.get(action.strip().lower())


def _report_fields(body: bytes) -> dict[str, str]:
    """The fields of the first recipient that has an action, over those of the message."""
    merged: dict[str, str] = {}
    text = body.decode("utf-8", "replace").replace("\r\n", "\n").replace("\n\t", " ").replace("\n ", " ")
    for block in text.split("\n\n"):
        fields = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in block.split("\n"))
            if colon
        }
        merged = {**fields, **merged} if "action" in merged else {**merged, **fields}
    return merged


def _original_id(parts: Sequence[Part]) -> str | None:
    for part in parts:
        if part.kind in {"message/rfc822", "text/rfc822-headers", "message/global", "message/rfc822-headers"}:
            head = part.body()[:ORIGINAL_BYTES].decode("utf-8", "replace")
            found = re.search(r"^message-id:\s*(<[^<>\s]{1,990}>)", head, re.IGNORECASE | re.MULTILINE)
            if found:
                return found[1]
    return None


# --- signs, each with its reason in words --------------------------------------------------------------------


def _own(evidence: Evidence) -> str:
    sender = evidence.sender.address if evidence.sender is not None else ""
    if without_token(sender) in evidence.mailboxes:
        return "it comes from this mailbox"
    if _is_ours(evidence.message_id, evidence.tokens) and not _is_from_another_mailbox(evidence, sender):
        return "its Message-ID is ours"
    loops = {fold(text) for text in evidence.headers.all_raw("x-loop")[:10]}
    if loops & set(evidence.mailboxes):
        return "it has been here before (X-Loop)"
    if len(evidence.headers.all_raw("received")) >= HOPS:
        return "it runs in circles (too many Received fields)"
    return ""


def _is_ours(message_id: str | None, tokens: ThreadTokens | None) -> bool:
    return tokens is not None and message_id is not None and tokens.in_message_id(message_id) is not None


def _is_from_another_mailbox(evidence: Evidence, sender: str) -> bool:
    """One mailbox of the desk writes to another: it comes from where its Message-ID was made, and not from here.

    What runs in a circle comes from this mailbox, or from somebody who sent our mail on under a name of their own.
    """
    made_at = fold(f"x@{(evidence.message_id or '').rpartition('@')[2].removesuffix('>')}")
    return made_at is not None and made_at == fold(f"x@{sender.rpartition('@')[2]}")


def _bounce(evidence: Evidence) -> str:
    report = _report_type(evidence)
    if report == "delivery-status" or (
        evidence.whole.kind == "multipart/report"
        and any(part.kind == "message/delivery-status" for part in evidence.whole.parts)
    ):
        return "it is a delivery report"
    if "x-failed-recipients" in evidence.headers:
        return "it names failed recipients"
    sender = evidence.sender.address if evidence.sender is not None else ""
    if sender.startswith(("mailer-daemon@", "mail-daemon@")):
        return "it comes from a mail server"
    return ""


def _complaint(evidence: Evidence) -> str:
    return "it is a complaint (feedback report)" if _report_type(evidence) == "feedback-report" else ""


def _list(evidence: Evidence) -> str:
    for name in ("list-id", "list-post", "list-unsubscribe", "list-help", "list-owner"):
        if name in evidence.headers:
            return f"it comes from a mailing list ({name.title()})"
    if evidence.headers.text("precedence").lower() in {"list", "bulk"}:
        return "it is bulk mail (Precedence)"
    return ""


def _auto_reply(evidence: Evidence) -> str:
    headers = evidence.headers
    if evidence.whole.kind == "multipart/report":
        return "it is a report (receipt)"
    submitted = headers.text("auto-submitted").partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return "it was submitted by a machine (Auto-Submitted)"
    if headers.text("x-auto-response-suppress").lower() not in {"", "none"}:
        return "it wants no automatic answer (X-Auto-Response-Suppress)"
    for name in ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from"):
        if name in headers and headers.text(name).lower() not in {"no", "false", "0"}:
            return f"it is an automatic answer ({name.title()})"
    if headers.text("precedence").lower() in {"junk", "auto_reply", "auto-reply"}:
        return "it is an automatic answer (Precedence)"
    return _nobody_to_answer(evidence)


def _nobody_to_answer(evidence: Evidence) -> str:
    empty_envelope = evidence.envelope is not None and evidence.envelope.sender == ""
    return_path = evidence.headers.all_raw("return-path")
    if empty_envelope or any(path.strip() == "<>" for path in return_path):
        return "its reverse path is empty"
    if evidence.sender is not None and ROBOTS.fullmatch(evidence.sender.address):
        return "its sender reads no answers"
    return ""


def _report_type(evidence: Evidence) -> str:
    if evidence.whole.kind != "multipart/report":
        return ""
    return evidence.whole.content_type.parameters.get("report-type", "").strip().lower()


_SIGNS: tuple[tuple[Machine, Callable[[Evidence], str]], ...] = (
    (Machine.OWN, _own),
    (Machine.BOUNCE, _bounce),
    (Machine.COMPLAINT, _complaint),
    (Machine.LIST, _list),
    (Machine.AUTO_REPLY, _auto_reply),
)
