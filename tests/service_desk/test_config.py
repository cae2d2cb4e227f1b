"""The files in config/ are what they say: they can be read, they fit together, and a slip in them is named."""

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from channels.load import find
from service_desk.app import read_config_seed
from service_desk.domain.config import DeskConfig
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
        (("queues", 1, "id"), "service", "an id stands twice"),
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
            [{"when": "wait", "queue": "nowhere"}],
            "overflow.0.queue: there is no queue",
        ),
        (("queues", 0, "overflow"), [{"when": "wait", "queue": "service"}], "goes in a circle"),
        (("queues", 0, "overflow"), [{"when": "closed", "queue": "sales"}], "give it hours"),
        (("queues", 0, "hours"), {"zone": "Moon/Base"}, "hours.zone: there is no time zone"),
        (("queues", 0, "hours"), {"zone": "UTC", "monday": ["8-12"]}, "monday"),
        (("queues", 0, "hours"), {"zone": "UTC", "monday": ["08:00-12:00", "11:00-13:00"]}, "overlap"),
        (("queues", 0, "hours"), {"zone": "UTC", "days": {"24.12.": []}}, "is no date"),
        (("queues", 0, "hours"), {"zone": "UTC", "days": {"20261224": []}}, "is no date"),
        (("time_zone",), "America", "is not known"),
        (("time_zone",), "x" * 5_000, "at most 64"),
        (("queues", 0, "overflow"), [{"when": "no_staff", "queue": "sales"}], "wait"),
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
    ("embedded.toml", "phone", "phone-main", PHONE),
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
