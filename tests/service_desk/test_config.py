"""The files in config/ are what they say: they can be read, they fit together, and a slip in them is named."""

import itertools
import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from channels.load import find
from routing.lines import QueueLine
from routing.model import Agent, CallbackRule, Skill, WorkItem
from service_desk.app import read_config_seed
from service_desk.clock import SECOND
from service_desk.domain import config_faults
from service_desk.domain.config import DeskConfig
from service_desk.domain.config_check import checked
from service_desk.settings import BadSettings, load_settings

FOLDER = Path(__file__).resolve().parents[2] / "config"
PROCESS_FILES = ["embedded.toml", "cluster.toml"]
PHONE = {
    "account_sid": "AC" + "1" * 32,
    "auth_token": "t" * 32,
    "api_key_sid": "SK" + "2" * 32,
    "api_key_secret": "s" * 32,
    "twiml_app_sid": "AP" + "3" * 32,
    "numbers": ["+14155550100"],
}


@pytest.fixture
def seed() -> DeskConfig:
    return DeskConfig.model_validate(read_config_seed())


def test_the_seed_is_the_file_in_the_tree() -> None:
    assert read_config_seed() == tomllib.loads((FOLDER / "queues.example.toml").read_text(encoding="utf-8"))


def test_every_queue_can_be_reached_by_phone_and_by_chat(seed: DeskConfig) -> None:
    queues = {queue.id for queue in seed.queues}
    assert queues == {"service", "sales", "billing", "repair"}
    (line,), (widget,) = seed.phone_lines, seed.widgets
    assert {option.queue for option in line.options} == queues
    assert [option.digit for option in line.options] == ["1", "2", "3", "4"]
    assert {topic.queue for topic in widget.topics} == queues
    assert all(str(option.digit) in line.menu_prompt for option in line.options)
    assert set(widget.greeting) == set(widget.languages) == {"en", "de", "es"}


def test_the_router_takes_the_seed(seed: DeskConfig) -> None:
    policy = seed.policy()
    assert {queue.id for queue in policy.queues} == {"service", "sales", "billing", "repair"}
    assert policy.exclusive == {"phone"}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("phone_lines", 0, "default_queue"), "nowhere", "there is no queue 'nowhere'"),
        (("widgets", 0, "topics", 0, "queue"), "nowhere", "there is no queue 'nowhere'"),
        (("queues", 1, "id"), "service", "queues.service: stands twice"),
        (("queues", 0, "overflow"), [{"when": "wait", "queue": "sales"}], r"overflow.0.after_s: is missing"),
        (("queues", 0, "overflow"), [{"when": "size", "queue": "sales"}], r"overflow.0.size: is missing"),
        (("queues", 0, "requires"), "german>=3 and (repair", "queues.service.requires: a bracket is open"),
        (("shifts",), {"anna": {"zone": "Moon"}}, "shifts.anna.zone: there is no time zone"),
        (("time_zone",), "Europe/Nowhere", "is not known"),
        (("queues", 0, "ring_s"), 0, "greater than or equal to 5"),
        (("queues", 0, "rings_s"), 20, "Extra inputs are not permitted"),
        (("queues", 0, "choice"), "nearest", "longest_idle"),
        (("queues", 0, "recover_s"), -1, "greater than or equal to 0"),
        (("queues", 0, "reopened_s"), -1, "greater than or equal to 0"),
        (("queues", 0, "last_agent_h"), 0, "greater than or equal to 1"),
        (("queues", 0, "ageing"), [{"slope_pct": 0}], "greater than or equal to 1"),
        (
            ("queues", 0, "ageing"),
            [{"slope_pct": 200}, {"slope_pct": 300, "priority": 5}],
            "service.ageing.1: is never reached",
        ),
        (
            ("queues", 0, "overflow"),
            [{"when": "wait", "after_s": 9, "queue": "nowhere"}],
            "overflow.0.queue: there is no queue",
        ),
        (("queues", 0, "overflow"), [{"when": "wait", "after_s": 9, "queue": "service"}], "goes in a circle"),
        (("queues", 0, "overflow"), [{"when": "closed", "queue": "sales"}], "give it hours"),
        (("queues", 0, "hours"), {"zone": "Moon/Base"}, "hours.zone: there is no time zone"),
        (("queues", 0, "hours"), {"zone": "UTC", "monday": ["8-12"]}, "monday"),
        (("queues", 0, "hours"), {"zone": "UTC", "monday": ["08:00-12:00", "11:00-13:00"]}, "overlap"),
        (("queues", 0, "hours"), {"zone": "UTC", "days": {"24.12.": []}}, "is no date"),
        (("queues", 0, "hours"), {"zone": "UTC", "days": {"20261224": []}}, "is no date"),
        (("time_zone",), "America", "is not known"),
        (("time_zone",), "x" * 5_000, "at most 64"),
        (("queues", 0, "overflow"), [{"when": "no_staff", "queue": "sales"}], "wait"),
        (
            ("queues", 0, "overflow"),
            [{"when": "wait", "after_s": 9}],
            "overflow.0.queue\n.*this field is missing",
        ),
        (
            ("queues", 0, "overflow"),
            [{"when": "wait", "after_s": 9, "to": "callback", "queue": "sales"}],
            "leave it out",
        ),
        (
            ("queues", 0, "overflow"),
            [{"when": "wait", "after_s": 9, "to": "callback"}],
            "service.overflow.0.to: needs the queue's callback",
        ),
        (("queues", 0, "callback"), {"first": "nobody"}, "agent"),
        (("queues", 0, "callback"), {"tries": 0}, "greater than or equal to 1"),
        (("queues", 0, "callback"), {"pause_s": 0}, "greater than or equal to 30"),
        (("queues", 0, "callback"), {"countries": ["DE", "ZZ"]}, "unknown: ZZ"),
        (("queues", 0, "callback"), {"lasts_h": 0}, "greater than or equal to 1"),
        (("queues", 0, "callback"), {"lasts_h": 169}, "less than or equal to 168"),
        (
            ("queues", 0, "callback"),
            {"lasts_h": 4, "tries": 3, "pause_s": 7_200},
            "service.callback.lasts_h: is over before the last of 3 tries",
        ),
        (("queues", 0, "callback"), {"position": 3}, "service.callback.position: counts only where"),
        (("queues", 0, "callback"), {"within_s": 60}, "service.callback.within_s: counts only where"),
        (("queues", 0, "rings"), [{"after_s": 60}, {"after_s": 30}], "later than the ring before"),
        (("interrupts",), {"phone": ["fax"]}, "fax|phone"),
        (("interrupts",), {"phone": ["phone"]}, "cannot interrupt itself"),
    ],
)
def test_a_slip_in_the_queues_is_named(path: tuple[Any, ...], value: Any, words: str) -> None:
    body: Any = read_config_seed()
    part = body
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    with pytest.raises(ValueError, match=words):
        DeskConfig.model_validate(body)


def called_back(**changed: Any) -> dict[str, Any]:
    """The seed with a queue that calls back; `changed` is of its phone line."""
    body: dict[str, Any] = read_config_seed()
    body["queues"][0]["callback"] = {"offer_after_s": 60}
    body["phone_lines"][0] |= changed
    return body


def test_a_callback_that_was_published_before_its_promise_could_end_goes_on_to_count() -> None:
    """It is read from the database at each start, with the default that was stored beside the rest."""
    body = called_back()
    body["queues"][0]["callback"] = {"tries": 10, "pause_s": 86_400}
    stored = DeskConfig.model_validate(body).model_dump(mode="json")
    rule = DeskConfig.model_validate(stored).policy().queues[0].callback
    assert rule is not None
    assert rule.lasts == 72 * 3_600 * SECOND


def test_a_callback_is_refused_where_nobody_could_be_called() -> None:
    reason = "queues.service.callback: no phone line leads to this queue"
    with pytest.raises(ValueError, match=reason):
        DeskConfig.model_validate(called_back(options=[], default_queue="sales"))
    with pytest.raises(ValueError, match=r"phone_lines.phone-main.number: is no number to call back from"):
        DeskConfig.model_validate(called_back(number="the old one"))
    with pytest.raises(ValueError, match=r"phone_lines.phone-main.number: is no number to call back from"):
        DeskConfig.model_validate(called_back(number=""))


def test_a_callback_may_be_of_a_queue_that_callers_come_to_from_another_one() -> None:
    body = called_back(options=[], default_queue="sales")
    body["queues"][1]["overflow"] = [{"when": "wait", "after_s": 60, "queue": "service"}]
    rule = DeskConfig.model_validate(body).policy().queues[0].callback
    assert rule == CallbackRule("agent", tries=3, pause=300 * SECOND, answer=45 * SECOND)


def test_a_promise_to_call_back_does_not_serve_a_queue_without_people() -> None:
    body = called_back()
    body["queues"][0]["overflow"] = [{"when": "wait", "after_s": 60, "to": "callback"}]
    config = DeskConfig.model_validate(body)
    helper = Agent(
        "anna", frozenset({"sales", "billing", "repair"}), {}, {"phone": 1, "web_chat": 1, "email": 1}
    )
    fields = [field for field, _ in config_faults.unservable(config, [helper])]
    assert "queues.service" in fields


def test_every_fault_between_the_fields_is_named_at_once_by_our_own_names() -> None:
    body: Any = read_config_seed()
    body["time_zone"] = "Europe/Nowhere"
    body["widgets"][0]["default_queue"] = "nowhere"
    body["queues"][0]["rings"] = [{"after_s": 60}, {"after_s": 30}]
    body["queues"][1]["overflow"] = [{"when": "size", "queue": "service"}]
    config, problems = checked(body)
    assert config is None
    assert [field for field, _ in problems] == [
        "time_zone",
        "widgets.demo.default_queue",
        "queues.sales.overflow.0.size",
        "queues.service.rings.1.after_s",
    ]


def test_what_cannot_be_read_hides_nothing_that_can() -> None:
    """Faults of single values, between the fields and of parts in one answer, each named by id where there is one."""
    body: Any = read_config_seed()
    body["time_zone"] = "Europe/Nowhere"
    body["queues"][0] |= {"target_s": 0, "colour": "red", "requires": "german and (repair"}
    body["queues"][1] |= {"hours": {"zone": 7}, "overflow": [{"when": "closed", "queue": "nowhere"}]}
    body["queues"][2] |= {"overflow": [{"when": "wait", "after_s": -1, "queue": "sales"}, {"when": "size"}]}
    body["phone_lines"][0]["options"][2]["digit"] = "12"
    body["widgets"][0]["default_queue"] = "elsewhere"
    body["mailboxes"][0].pop("address")
    body["reclaim_s"] = "long"
    config, problems = checked(body)
    assert config is None
    account = body["phone_lines"][0]["account"]
    box = body["mailboxes"][0]["account"]
    assert [field for field, _ in problems] == [
        "queues.service.target_s",
        "queues.service.colour",
        "queues.sales.hours.zone",
        "queues.billing.overflow.0.after_s",
        "queues.billing.overflow.1.queue",
        f"phone_lines.{account}.options.12.digit",
        f"mailboxes.{box}.address",
        "reclaim_s",
        "time_zone",
        "widgets.demo.default_queue",
        "queues.service.requires",
        "queues.sales.overflow.0.queue",
    ]
    said = dict(problems)
    assert said["queues.service.target_s"] == "must be at least 1"
    assert said["reclaim_s"] == "must be a whole number"
    assert said[f"phone_lines.{account}.options.12.digit"] == "must be written as one of 0 to 9, * and #"


def test_what_refers_to_a_queue_without_a_readable_name_is_not_guessed_at() -> None:
    body: Any = read_config_seed()
    body["queues"][0]["id"] = "Service!"
    _, problems = checked(body)
    assert problems == [
        (
            "queues.Service!.id",
            "must be written in small letters, digits, - and _, beginning with a letter, 40 characters at most",
        )
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("queues",), 7),
        (("queues",), [7]),
        (("queues", 0, "overflow"), "sales"),
        (("queues", 0, "ageing"), [3]),
        (("queues", 0, "name"), None),
        (("brand",), 1),
        (("away_reasons",), {}),
        (("away_reasons", 0), "break"),
        (("widgets",), "none"),
        (("shifts",), {"anna": 3}),
        (("shifts",), {"": {"zone": "UTC"}}),
        (("shifts",), 3),
        (("interrupts",), {"fax": ["phone"]}),
        (("weights",), {"phone": 101}),
        (("alerts",), [{"id": "x"}]),
        (("may_pull",), ["admin"]),
        (("lost_s",), 1.5),
    ],
)
def test_any_nonsense_is_refused_in_our_words(path: tuple[Any, ...], value: Any) -> None:
    body: Any = read_config_seed()
    body["time_zone"] = "Europe/Nowhere"
    part = body
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    config, problems = checked(body)
    assert config is None
    assert problems
    assert all("nput should" not in words and "Value error" not in words for _, words in problems)
    read_on = path[0] != "queues" or len(path) > 2  # else nobody knows which queues there are
    assert ("time_zone" in dict(problems)) is read_on


def test_the_router_takes_every_rule_of_the_file() -> None:
    body: Any = read_config_seed()
    body |= {"weights": {"phone": 2}, "shift_margin_s": 60, "bench_after": 3, "agent_units": 4}
    body["queues"][0] |= {
        "requires": "german>=3 and (repair or network)",
        "value_weight_s": 5,
        "value_cap_s": 90,
    }
    body["phone_lines"][0]["value"] = 7
    config, problems = checked(body)
    assert config is not None, problems
    policy = config.policy()
    assert (policy.weights, policy.shift_margin, policy.bench_after) == ({"phone": 2}, 60 * SECOND, 3)
    queue = policy.queues[0]
    assert queue.any_of == (
        (Skill("german", 3), Skill("network", 1)),
        (Skill("german", 3), Skill("repair", 1)),
    )
    assert (queue.value_weight, queue.value_cap) == (5 * SECOND, 90 * SECOND)
    account = body["phone_lines"][0]["account"]
    assert (config.value_of(account), config.value_of("elsewhere")) == (7, 0)


@pytest.mark.parametrize(("order", "priority"), [("due", 0), ("due", 5), ("strict", 2)])
def test_the_stored_order_is_the_routers(order: str, priority: int) -> None:
    """By it customers are told their place."""
    body: Any = read_config_seed()
    body["queues"][0] |= {"order": order, "value_weight_s": 10, "value_cap_s": 45, "priority": 3}
    line = body["phone_lines"][0]
    line["value"] = 7
    config, _ = checked(body)
    assert config is not None
    queue = config.queues[0]
    item = WorkItem("call", "phone", queue.id, 1_000_000, priority, value=7)
    stored = config.ordering_key(queue.id, 1_000_000, priority, line["account"])
    assert stored == QueueLine(queue.for_router()).key(item)


def test_a_shift_ends_for_who_said_ready_in_it_or_before_it() -> None:
    body: Any = read_config_seed()
    body["shifts"] = {
        "anna": {"zone": "Europe/Berlin", "thursday": ["08:00-16:30"], "friday": ["08:00-12:00"]}
    }
    config, problems = checked(body)
    assert config is not None, problems

    def at(text: str) -> int:
        return int(datetime.fromisoformat(f"{text}+01:00").timestamp()) * SECOND

    def end(ready_at: str, now: str | None = None) -> int | None:
        return config.shift_end("anna", at(ready_at), at(now or ready_at))

    ends, next_ends = at("2026-12-03T16:30"), at("2026-12-04T12:00")
    assert end("2026-12-03T07:40") == ends, "early"
    assert end("2026-12-03T12:00") == end("2026-12-03T12:00", "2026-12-03T18:00") == ends
    assert end("2026-12-03T17:00") == next_ends, "longer, by their own word"
    assert end("2026-12-03T12:00", "2026-12-04T09:00") == next_ends, "still ready the next day"
    starts = [config.next_shift("anna", at(now)) for now in ("2026-12-03T07:00", "2026-12-03T12:00")]
    assert starts == [at("2026-12-03T08:00"), at("2026-12-04T08:00")]
    assert config.shift_end("bert", ends, ends) is None
    assert config.next_shift("bert", ends) is None


@pytest.mark.parametrize("name", PROCESS_FILES)
def test_a_settings_file_can_be_used(name: str) -> None:
    settings = load_settings(FOLDER / name)
    assert settings.roles == ("web", "route", "send")
    assert settings.accounts == {}, "what stands there without secrets would not be used"
    assert not settings.simulator.enabled


def test_embedded_is_sqlite_on_this_machine() -> None:
    settings = load_settings(FOLDER / "embedded.toml")
    assert settings.database_url.get_secret_value().startswith("sqlite:///")
    assert settings.redis_url is None
    assert settings.public_base == "http://127.0.0.1:8080"


def test_a_cluster_is_postgres_and_redis_behind_https() -> None:
    settings = load_settings(FOLDER / "cluster.toml")
    assert settings.database_url.get_secret_value().startswith("postgresql://")
    assert settings.redis_url is not None
    assert settings.https
    assert settings.trusts("10.1.2.3")
    assert not settings.trusts("192.0.2.1")


SMS = {name: PHONE[name] for name in PHONE if name != "twiml_app_sid"}
WRITTEN = [
    ("embedded.toml", "phone", "phone-main", {**PHONE, "calls_per_second": 1.0}),
    ("embedded.toml", "sms", "text-main", {**SMS, "messages_per_second": 1.0}),
    ("embedded.toml", "email", "mail-main", {}),
    ("cluster.toml", "email", "mail-main", {}),
]


@pytest.mark.parametrize(("name", "channel", "account", "filled_in"), WRITTEN)
def test_an_account_that_is_written_as_a_comment_is_right(
    name: str, channel: str, account: str, filled_in: dict[str, Any]
) -> None:
    """Uncommented and filled in, it is accepted: its names are those of the adapter."""
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    start = lines.index(f"# [accounts.{channel}.{account}]")
    block = list(itertools.takewhile(lambda line: line.startswith("# "), lines[start:]))
    written = tomllib.loads("\n".join(line.removeprefix("# ") for line in block))
    values = written["accounts"][channel][account]
    if filled_in:
        assert set(values) == set(filled_in)
    assert find(channel).settings.model_validate({**values, **filled_in})


def test_the_seed_names_the_accounts_of_the_process_files(seed: DeskConfig) -> None:
    text = (FOLDER / "embedded.toml").read_text(encoding="utf-8")
    named = set(re.findall(r"\[accounts\.[a-z_]+\.([a-z-]+)\]", text))
    phones = {line.account for line in seed.phone_lines}
    boxes = {box.account for box in seed.mailboxes}
    assert phones | boxes | {line.account for line in seed.text_lines} == named


@pytest.mark.parametrize("name", PROCESS_FILES)
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("colour = 1\n", "colour: this setting is not known"),
        ("[limits]\njson_body_byte = 1\n", "Did you mean json_body_bytes?"),
        ("[accounts.web_chat.other]\ntopic = []\n", "web_chat.other.topic: this setting is not known"),
        ("[accounts.telex.main]\n", "telex"),
    ],
)
def test_an_unknown_setting_stops_the_start_and_is_named(
    name: str, wrong: str, words: str, tmp_path: Path
) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    first_table = text.index("\n[")
    own = "limits" in wrong and "[limits]" in text
    body = (
        text.replace("[limits]\n", wrong) if own else text[:first_table] + "\n" + wrong + text[first_table:]
    )
    path = tmp_path / "desk.toml"
    path.write_text(body, encoding="utf-8")
    with pytest.raises(BadSettings, match="cannot be used") as refused:
        load_settings(path)
    assert words in str(refused.value)


EVERYTHING = {"phone": 1, "web_chat": 2, "email": 2, "sms": 2}


@pytest.mark.parametrize(
    ("changes", "line_skills", "staff"),
    [
        ({}, {}, [({}, {**EVERYTHING, "phone": 0}, None)]),
        ({"agent_units": 1, "weights": {"phone": 5}}, {}, [({}, EVERYTHING, 1)]),
        (
            {"asks": "german>=3"},
            {"repair": 1},
            [({"german": 5}, EVERYTHING, None), ({"repair": 5}, EVERYTHING, None)],
        ),
    ],
    ids=["nobody takes calls", "too heavy for anybody", "no one has both skills"],
)
def test_a_way_in_whose_contacts_nobody_could_have_is_named(
    seed: DeskConfig,
    changes: dict[str, Any],
    line_skills: dict[str, int],
    staff: list[tuple[dict[str, int], dict[str, int], int | None]],
) -> None:
    changes = dict(changes)
    asks = changes.pop("asks", "")
    body = {**seed.model_dump(by_alias=True), **changes}
    body["phone_lines"] = [{**line, "requires": line_skills} for line in body["phone_lines"]]
    line = body["phone_lines"][0]
    body["queues"] = [
        {**queue, "requires": asks if queue["id"] == line["default_queue"] else "", "overflow": []}
        for queue in body["queues"]
    ]
    queues = frozenset(queue["id"] for queue in body["queues"])
    people = [
        Agent(f"agent{number}", queues, skills, capacity, units=units)
        for number, (skills, capacity, units) in enumerate(staff)
    ]
    config = DeskConfig.model_validate(body)
    found = dict(config_faults.unservable(config, people))
    assert f"phone_lines.{line['account']}.default_queue" in found
    assert all(field.startswith("phone_lines.") for field in found)
    helper = Agent("helper", queues, {"german": 3, "repair": 1}, EVERYTHING, units=9)
    assert config_faults.unservable(config, [*people, helper]) == []
