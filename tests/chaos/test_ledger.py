"""The ledger gives back what was written, and whether the desk took it."""

from pathlib import Path

import pytest

from channels.phone.render import OUTAGE_WORDS
from channels.simulator.record import Record
from tests.chaos.ledger import Ledger, carrier_file, read, write_run


def test_an_input_is_acknowledged_once_any_try_was(tmp_path: Path) -> None:
    with Ledger(tmp_path, "load-1") as ledger:
        ledger.sent("mail", "<1@x>", b"words")
        ledger.answered("mail", "<1@x>", 451)
        ledger.sent("mail", "<1@x>", b"words")
        ledger.answered("mail", "<1@x>", 250)
        ledger.sent("mail", "<2@x>", b"other words")
        ledger.answered("mail", "<2@x>", 0)
    write_run(tmp_path, seed=7)
    books = read(tmp_path)
    taken, refused = books.inputs["mail", "<1@x>"], books.inputs["mail", "<2@x>"]
    assert books.run == {"seed": 7}
    assert taken.acknowledged
    assert (taken.tries, taken.statuses) == (2, [451, 250])
    assert not refused.acknowledged
    assert taken.sha256 != refused.sha256


def test_an_effect_counts_when_it_was_carried_out_whatever_was_answered(tmp_path: Path) -> None:
    record = Record(carrier_file(tmp_path))
    message = {"StatusCallback": "https://desk.example/hooks/sms/a/status?key=m1-1"}
    for status, carried_out in ((500, True), (429, False)):
        facts = {"parameters": message, "status": status, "carried_out": carried_out}
        record.add("rest", method="POST", path="/2010-04-01/Accounts/AC0/Messages.json", **facts)
    record.add("mail", to=["vera@example.org"], message_id="<3@desk>", subject="Hello")
    record.close()
    effects = [(effect.kind, effect.key, effect.status) for effect in read(tmp_path).effects]
    assert effects == [("message", "m1-1", 500), ("mail", "<3@desk>", 250)]


def test_words_for_a_desk_that_is_away_acknowledge_nothing(tmp_path: Path) -> None:
    record = Record(carrier_file(tmp_path))
    for sid, words in (("CA1", OUTAGE_WORDS), ("CA2", "Welcome.")):
        facts = {"url": "https://desk.example/voice", "form": {"CallSid": sid}, "token": sid, "attempt": 1}
        record.add("webhook", **facts, status=200, answer=f"<Response><Say>{words}</Say></Response>")
    record.close()
    taken = [hook.form["CallSid"] for hook in read(tmp_path).webhooks if hook.acknowledged]
    assert taken == ["CA2"]


def test_a_line_that_was_cut_off_is_no_fact(tmp_path: Path) -> None:
    with Ledger(tmp_path, "agents-1") as ledger:
        ledger.note("offer_seen", agent="ann", offer="o1")
    with (tmp_path / "agents-1.jsonl").open("a") as file:
        file.write('{"at": 1, "kind": "offer_s')
    (act,) = read(tmp_path).acts
    assert (act.agent, act.kind, act.facts) == ("ann", "offer_seen", {"offer": "o1"})


def test_a_broken_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "load-1.jsonl").write_text('{"at": 1, "ki\n{"at": 2, "kind": "x"}\n')
    with pytest.raises(ValueError, match=r"load-1\.jsonl:1"):
        read(tmp_path)
