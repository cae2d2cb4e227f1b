"""What the auditor says of a ledger that the database knows nothing of, or contradicts: no load, no desk."""

from pathlib import Path
from typing import Any

import pytest

from channels.simulator.record import Record
from service_desk.actions import admin
from service_desk.clock import SystemClock
from service_desk.storage.store import Store
from tests.chaos.auditor import audit_folder
from tests.chaos.auditor import main as audit_command
from tests.chaos.ledger import Ledger, carrier_file, write_run
from tests.service_desk.conftest import CONFIG

HOOKS = "http://desk.example/hooks"
REST = "/2010-04-01/Accounts/AC0"


@pytest.fixture
def folder(sqlite_url: str, tmp_path: Path) -> Path:
    """A run of a desk that has no contact at all."""
    store = Store(sqlite_url, SystemClock())
    store.run(admin.seed, CONFIG)
    store.close()
    write_run(tmp_path, database_url=sqlite_url)
    return tmp_path


def webhook(folder: Path, name: str, status: int = 200, **form: str) -> None:
    record = Record(carrier_file(folder))
    facts: dict[str, Any] = {"url": f"{HOOKS}/{name}", "form": form, "token": "t", "attempt": 1}
    record.add("webhook", **facts, status=status)
    record.close()


def rest(folder: Path, path: str, **parameters: str) -> None:
    record = Record(carrier_file(folder))
    facts = {"method": "POST", "path": REST + path, "parameters": parameters}
    record.add("rest", **facts, status=500, carried_out=True)
    record.close()


def said(folder: Path) -> set[tuple[str, str]]:
    """(check, subject) of each finding."""
    return {(each.check, each.subject) for each in audit_folder(folder)}


def test_a_run_in_which_nothing_was_acknowledged_proves_nothing(folder: Path) -> None:
    webhook(folder, "phone/a/voice", status=503, CallSid="CA1")
    assert ("load", "run") in said(folder)


def test_what_was_acknowledged_and_is_not_stored(folder: Path) -> None:
    webhook(folder, "phone/a/voice", CallSid="CA1")
    webhook(folder, "phone/a/voice", status=503, CallSid="CA2")
    webhook(folder, "sms/a/incoming", MessageSid="SM1", From="+14155550100", Body="hello")
    with Ledger(folder, "load-1") as ledger:
        for channel, input_id in (("mail", "<1@x>"), ("chat", "k1"), ("line", "k2")):
            ledger.sent(channel, input_id, b"hello", text="hello")
            ledger.answered(channel, input_id, 250 if channel == "mail" else 200)
        ledger.sent("line", "k3", b"hello", text="hello")
        ledger.answered("line", "k3", 0)
    taken = {subject for check, subject in said(folder) if check == "taken"}
    assert taken == {"CA1", "SM1", "<1@x>", "k1", "k2"}


def test_effects_that_nobody_wanted(folder: Path) -> None:
    rest(folder, "/Messages.json", StatusCallback=f"{HOOKS}/sms/a/status?key=msg_1-1")
    rest(folder, "/Calls/CA9.json", Status="completed")
    record = Record(carrier_file(folder))
    record.add("mail", to=["vera@example.org"], message_id="<2@desk>", subject="Hello")
    record.close()
    assert {("effects", "msg_1-1"), ("effects", "CA9"), ("effects", "<2@desk>")} <= said(folder)


def test_what_agents_saw_and_were_told(folder: Path) -> None:
    with Ledger(folder, "agents-1") as ledger:
        ledger.note("snapshot", agent="ann", position=4)
        for position, prev in ((5, 4), (9, 5), (8, 5), (12, 11)):
            ledger.note("frame", agent="ann", position=position, prev=prev)
        ledger.note("opened", agent="ann")
        ledger.note("frame", agent="ann", position=30, prev=29)
        for status, answer in ((200, "a"), (200, "b"), (409, "c")):
            facts = {"what": "accept", "subject": "off_1", "key": "k", "status": status, "answer": answer}
            ledger.note("answered_act", agent="ann", **facts)
        ledger.note("screen", agent="bob", differs=["offers"])
    details = [each.detail for each in audit_folder(folder) if each.check == "frames"]
    assert details == ["frame 8 comes after 9", "frame 12 follows 11, seen was 9"]
    assert {("accepts", "off_1"), ("keys", "k"), ("screens", "bob")} <= said(folder)


def test_the_command_says_how_many_and_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    webhook(folder, "phone/a/voice", CallSid="CA1")
    assert audit_command([str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "taken: CA1: the call was acknowledged and is not stored" in lines
    assert lines[-1] == f"{len(lines) - 1} findings."
