"""The phone's webhooks, signed as the provider signs them, up to what the caller hears."""

import asyncio
import gzip
import sqlite3
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa
import structlog

from service_desk.domain.views import InteractionView
from service_desk.storage import schema
from service_desk.storage.store import migrate
from tests.servers import PostgresServer
from tests.service_desk.web.world import ACCOUNT, ACCOUNT_SID, PHONE, Answer, World, a_world

VOICE = f"/hooks/phone/{ACCOUNT}/voice"
MENU = f"/hooks/phone/{ACCOUNT}/menu"
WAIT = f"/hooks/phone/{ACCOUNT}/wait"
STATUS = f"/hooks/phone/{ACCOUNT}/status"
CONFERENCE = f"/hooks/phone/{ACCOUNT}/conference"
AGENT = f"/hooks/phone/{ACCOUNT}/agent"
CALL = "CA" + "7" * 32


def form(**more: str) -> dict[str, str]:
    return {"AccountSid": ACCOUNT_SID, "CallSid": CALL, "CallStatus": "in-progress", **more}


def ringing(**more: str) -> dict[str, str]:
    return form(**{"From": "+14155550199", "To": "+14155550100", **more})


async def hook(world: World, path: str, values: dict[str, str], **headers: str | None) -> Answer:
    signed = {**world.sign(path, values), **headers}
    data = urlencode(values).encode()
    return await world.stranger.send("POST", path, data=data, key=None, headers=signed)


def heard(answer: Answer) -> ET.Element:
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    return ET.fromstring(answer.body)


def words(answer: Answer) -> str:
    return " ".join(say.text or "" for say in heard(answer).iter("Say"))


def samples(world_text: bytes, name: str) -> dict[str, float]:
    lines = [line for line in world_text.decode().splitlines() if line.startswith(name + "{")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def outcomes(world: World) -> dict[str, float]:
    """Webhooks so far, by outcome."""
    found: dict[str, float] = {}
    for labels, value in samples((await world.stranger.get("/metrics")).body, "desk_webhooks_total").items():
        outcome = labels.partition('outcome="')[2].partition('"')[0]
        found[outcome] = found.get(outcome, 0) + value
    return found


async def test_a_call_from_the_ring_to_the_conference(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    assert "Welcome to Alpenglow" in words(await hook(world, VOICE, ringing()))
    interaction_id = await world.interaction_of(ACCOUNT, CALL)
    again = await hook(world, f"{MENU}?attempt=1", form(Digits="9"))
    assert "press 1" in words(again)
    held = await hook(world, f"{MENU}?attempt=2", form(Digits="4"))
    assert "next free person" in words(held)
    assert "You are next in line." in words(await hook(world, WAIT, form()))

    await world.served(ada, interaction_id)
    conference = heard(await hook(world, WAIT, form())).find("Dial/Conference")
    assert conference is not None
    assert conference.text == interaction_id
    softphone = "CA" + "8" * 32
    dialled = {"CallSid": softphone, "From": f"client:{ada.agent_id}", "interaction_id": interaction_id}
    joined = heard(await hook(world, AGENT, form(**dialled))).find("Dial/Conference")
    assert joined is not None
    for sequence, call_id in enumerate((CALL, softphone), start=1):
        values = {
            "AccountSid": ACCOUNT_SID, "ConferenceSid": "CF" + "1" * 32, "FriendlyName": interaction_id,
            "StatusCallbackEvent": "participant-join", "SequenceNumber": str(sequence), "CallSid": call_id,
        }  # fmt: skip
        assert (await hook(world, CONFERENCE, values)).status == 204
    seen = InteractionView.model_validate_json((await ada.get(f"/api/v1/interactions/{interaction_id}")).body)
    assert (seen.state, seen.call is not None and seen.call.in_conference) == ("active", True)

    ended = form(CallStatus="completed", SequenceNumber="2")
    assert (await hook(world, STATUS, ended)).status == 204
    assert (await world.row(schema.interaction, interaction_id))["state"] == "wrap_up"
    assert heard(await hook(world, WAIT, form())).find("Hangup") is not None
    assert (await outcomes(world)).keys() == {"taken"}


async def test_a_mute_is_taken_note_of_and_nothing_more(quick_world: World) -> None:
    values = {
        "AccountSid": ACCOUNT_SID, "ConferenceSid": "CF" + "1" * 32, "FriendlyName": "int_1",
        "StatusCallbackEvent": "participant-mute", "SequenceNumber": "1", "CallSid": CALL,
    }  # fmt: skip
    answer = await hook(quick_world, CONFERENCE, values)
    assert (answer.status, answer.body) == (200, b"")
    assert await outcomes(quick_world) == {"not_interesting": 1}


async def test_unknown_accounts_names_and_channels(quick_world: World) -> None:
    for path in (
        "/hooks/phone/nobody/voice",
        f"/hooks/phone/{ACCOUNT}/nothing",
        f"/hooks/fax/{ACCOUNT}/voice",
        f"/hooks/phone/{ACCOUNT}%2Fvoice/voice",
    ):
        answer = await hook(quick_world, path, ringing())
        assert (answer.status, answer.code) == (404, "not_found"), path
    assert (await quick_world.stranger.get(VOICE)).code == "method_not_allowed"
    assert await outcomes(quick_world) == {}


async def test_a_wrong_signature_is_counted_and_logged_without_its_body(quick_world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        forged = await hook(
            quick_world, VOICE, ringing(CallerName="Secret Name"), **{"X-Twilio-Signature": "x"}
        )
        missing = await hook(
            quick_world, VOICE, ringing(CallerName="Secret Name"), **{"X-Twilio-Signature": None}
        )
    for answer in (forged, missing):
        assert (answer.status, answer.code) == (403, "bad_signature")
    assert await outcomes(quick_world) == {"rejected": 2}
    rejected = [entry for entry in logs if entry["event"] == "webhook.rejected"]
    assert [(entry["account"], entry["name"]) for entry in rejected] == [(ACCOUNT, "voice")] * 2
    assert "Secret" not in str(logs)
    assert "+14155550199" not in str(logs)


async def test_a_genuine_request_that_nobody_understands(quick_world: World) -> None:
    answer = await hook(
        quick_world, VOICE, {"AccountSid": ACCOUNT_SID, "CallSid": CALL, "CallStatus": "ringing"}
    )
    assert (answer.status, answer.code, answer.json()["field"]) == (400, "bad_request", "From")
    assert await outcomes(quick_world) == {"unrecognised": 1}


async def test_bodies_that_are_too_large_or_packed(quick_world: World) -> None:
    large = await hook(quick_world, VOICE, ringing(CallerName="x" * 256_000))
    assert (large.status, large.code) == (413, "too_large")
    values = ringing()
    headers = {**quick_world.sign(VOICE, values), "Content-Encoding": "gzip"}
    data = gzip.compress(urlencode(values).encode())
    packed = await quick_world.stranger.send("POST", VOICE, data=data, key=None, headers=headers)
    assert (packed.status, packed.code) == (415, "unsupported_media_type")
    assert await outcomes(quick_world) == {"too_large": 1, "unsupported_media_type": 1}


async def test_the_same_delivery_twice_is_one_call(world: World) -> None:
    for _ in range(3):
        assert "Welcome" in words(await hook(world, VOICE, ringing()))
    assert await world.count(sa.select(sa.func.count()).select_from(schema.interaction)) == 1


async def test_a_caller_who_is_not_known_any_more_is_told_so(quick_world: World) -> None:
    answer = await hook(quick_world, WAIT, form(CallSid="CA" + "0" * 32))
    assert "Please call again" in words(answer)
    assert heard(answer).find("Hangup") is not None


async def test_a_line_that_is_not_configured_is_no_fault_of_ours(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, accounts={"phone": {"other": PHONE}}) as world:
        for name, values in (("voice", ringing()), ("wait", form())):
            answer = await hook(world, f"/hooks/phone/other/{name}", values)
            assert (answer.status, answer.code, answer.json()["field"]) == (422, "validation", "account")


@pytest.mark.postgres
async def test_a_database_that_is_away_keeps_callers_and_asks_others_to_come_back(
    own_postgres_server: PostgresServer, tmp_path: Path
) -> None:
    own_postgres_server.execute("CREATE DATABASE desk")
    url = own_postgres_server.url("desk")
    migrate(url)
    async with a_world(url, tmp_path) as world:
        assert "Welcome" in words(await hook(world, VOICE, ringing()))
        own_postgres_server.execute("CHECKPOINT")  # the tests' server stops as if the power went
        own_postgres_server.stop()
        held = await hook(world, WAIT, form())
        assert "One moment please" in words(held)
        redirect = heard(held).find("Redirect")
        assert redirect is not None
        assert redirect.text == f"{world.settings.public_base}{WAIT}"
        assert "One moment please" in words(await hook(world, f"{MENU}?attempt=1", form(Digits="1")))
        away = await hook(world, STATUS, form(CallStatus="completed", SequenceNumber="1"))
        assert (away.status, away.code) == (503, "unavailable")
        assert await outcomes(world) == {"taken": 1, "outage": 2, "unavailable": 1}
        own_postgres_server.start()
        assert "next free person" in words(await hook(world, f"{MENU}?attempt=1", form(Digits="1")))


async def test_a_desk_that_hangs_is_away(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, limits={"webhook_answer_s": 0.3}) as world:
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # somebody else holds the only writer's place
        assert "One moment please" in words(await hook(world, VOICE, ringing()))
        other.execute("ROLLBACK")
        other.close()
        async with asyncio.timeout(30):  # the writer takes its place again within its own waiting time
            while "Welcome" not in words(await hook(world, VOICE, ringing())):
                pass
