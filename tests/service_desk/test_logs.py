"""What the process writes about itself: lines for people or JSON, without secrets and without anybody's words."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from service_desk.desk import Desk
from service_desk.logs import set_up_logs
from service_desk.trace import about, contact_of, learn
from tests.quick import log_plainly
from tests.service_desk.people import phone
from tests.service_desk.storage.conftest import plain

__all__ = ["plain"]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    log_plainly()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_those_of_libraries_are_json_of_one_shape() -> None:
    stream = io.StringIO()
    set_up_logs("info", as_json=True, stream=stream)
    structlog.get_logger("service_desk.test").info("call started", interaction="int_1", seconds=2)
    logging.getLogger("aiohttp.server").error("broken %s", "pipe")
    ours, theirs = lines(stream)
    assert (ours["event"], ours["interaction"], ours["seconds"]) == ("call started", "int_1", 2)
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("broken pipe", "error", "aiohttp.server")
    assert ours["logger"] == "service_desk.test"
    assert ours["timestamp"].endswith("Z")
    assert ours.keys() >= theirs.keys() - {"event"}


def test_text_is_for_people() -> None:
    stream = io.StringIO()
    set_up_logs("info", as_json=False, stream=stream)
    structlog.get_logger("service_desk.test").warning("outbox waits", reason="database")
    assert "outbox waits" in stream.getvalue()
    assert "reason=database" in stream.getvalue()


def test_the_level_holds_for_both_and_talkative_libraries_are_quieter() -> None:
    stream = io.StringIO()
    set_up_logs("info", as_json=True, stream=stream)
    structlog.get_logger("service_desk.test").debug("hidden")
    logging.getLogger("engineio").info("hidden too")
    logging.getLogger("engineio").warning("shown")
    assert [line["event"] for line in lines(stream)] == ["shown"]


def test_setting_up_twice_says_everything_once() -> None:
    first, second = io.StringIO(), io.StringIO()
    set_up_logs("info", as_json=True, stream=first)
    set_up_logs("info", as_json=True, stream=second)
    structlog.get_logger("service_desk.test").info("once")
    assert (len(lines(first)), len(lines(second))) == (0, 1)


def test_secrets_are_blanked_however_deep() -> None:
    stream = io.StringIO()
    set_up_logs("info", as_json=True, stream=stream)
    structlog.get_logger("service_desk.test").info(
        "settings",
        password="hunter2-hunter2",
        auth_token="t" * 32,
        headers={"Cookie": "desk_session=abc", "Host": "desk"},
        accounts=[{"api_key_secret": "s" * 32, "numbers": ["+1"]}],
    )
    (line,) = lines(stream)
    assert (line["password"], line["auth_token"]) == ("***", "***")
    assert line["headers"] == {"Cookie": "***", "Host": "desk"}
    assert line["accounts"] == [{"api_key_secret": "***", "numbers": ["+1"]}]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_trace_shows_the_way_and_no_values(as_json: bool) -> None:
    stream = io.StringIO()
    set_up_logs("info", as_json=as_json, stream=stream)
    words_of_a_customer = "my " + "dishwasher"
    try:
        [][len(words_of_a_customer)]
    except IndexError:
        structlog.get_logger("service_desk.test").exception("it broke")
    assert "test_a_trace_shows_the_way" in stream.getvalue()
    assert "IndexError: list index" in stream.getvalue()
    assert "my dishwasher" not in stream.getvalue()


def test_a_scope_names_its_contact_and_leaves_nothing_behind() -> None:
    stream = io.StringIO()
    set_up_logs("info", as_json=True, stream=stream)
    log = structlog.get_logger("service_desk.test")
    learn("int_0")
    log.info("outside")
    with about(channel="phone", call=None):
        log.info("before")
        learn("int_1")
        learn(None)
        log.info("known")
        with about(interaction="int_2"):
            log.info("within")
        log.info("again")
    log.info("after")
    told = [(line["event"], line.get("interaction"), line.get("channel")) for line in lines(stream)]
    assert told == [
        ("outside", None, None),
        ("before", None, "phone"),
        ("known", "int_1", "phone"),
        ("within", "int_2", "phone"),
        ("again", "int_1", "phone"),
        ("after", None, None),
    ]
    assert "call" not in lines(stream)[1]


def test_what_an_action_was_about_is_the_one_contact_of_its_events() -> None:
    one = [{"data": {"interaction_id": "int_1"}}, {"data": {"agent_id": "agt_1"}}]
    assert contact_of(one) == "int_1"
    assert contact_of([]) is None
    assert contact_of([*one, {"data": {"interaction_id": "int_2"}}]) is None


async def test_lines_after_an_action_name_its_contact(plain: Desk) -> None:
    stream = io.StringIO()
    set_up_logs("info", as_json=True, stream=stream)
    with about(account="phone-main"):
        contact = await phone(plain, "CA1")
        structlog.get_logger("service_desk.test").info("taken")
    await phone(plain, "CA2")
    structlog.get_logger("service_desk.test").info("elsewhere")
    taken, elsewhere = (line for line in lines(stream) if line["logger"] == "service_desk.test")
    assert (taken["interaction"], taken["account"]) == (contact, "phone-main")
    assert "interaction" not in elsewhere
