"""The pretend carrier is as strict as the real one, and its control API does what its callers rely on."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from channels.simulator.server import RunningSimulator, running
from channels.simulator.serving import serving
from tests.channels.little_desk import LittleDesk
from tests.channels.people import INTERACTION, calls, dials, sse, talking
from tests.channels.pretend import (
    ACCOUNT_SID,
    API_KEY_SECRET,
    API_KEY_SID,
    APP_SID,
    AUTH_TOKEN,
    NUMBER,
    simulator_settings,
)

PAGE = "http://desk.example"


# --- TwiML ---


@asynccontextmanager
async def answering(documents: Callable[[web.Request], web.Response]) -> AsyncIterator[str]:
    """An owner of webhooks that answers whatever a test wants."""

    async def hook(request: web.Request) -> web.Response:
        await request.post()
        return documents(request)

    app = web.Application()
    app.router.add_route("*", "/{name}", hook)
    async with serving(app) as base_url:
        yield base_url


def xml(body: str, content_type: str = "text/xml") -> web.Response:
    return web.Response(text=body, content_type=content_type)


async def heard_of(
    session: aiohttp.ClientSession, body: str, content_type: str = "text/xml"
) -> list[dict[str, Any]]:
    """All that a caller hears who gets this document."""
    async with answering(lambda _: xml(body, content_type)) as owner:
        route = {"number": NUMBER, "voice_url": f"{owner}/voice"}
        async with running(simulator_settings(numbers=[route])) as simulator:
            customer = await calls(session, simulator)
            await customer.until("ended")
            shown = await customer.show()
            events: list[dict[str, Any]] = shown["events"]
            return events


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        ("<Response><Speak>hello</Speak></Response>", "text/xml", 12200),
        ("<Response><Say tone='soft'>hello</Say></Response>", "text/xml", 12200),
        ("<Response>", "text/xml", 12100),
        ("", "text/xml", 12100),
        ("<Response/>", "application/json", 12300),
        (f"<Response><Say>{'x' * 70_000}</Say></Response>", "text/xml", 11750),
    ],
)
async def test_bad_documents_end_the_call_with_an_apology(
    session: aiohttp.ClientSession, body: str, content_type: str, code: int
) -> None:
    heard = await heard_of(session, body, content_type)
    assert [event["code"] for event in heard if event["kind"] == "error"] == [code]
    assert "application error" in next(event["text"] for event in heard if event["kind"] == "words")
    assert heard[-1]["reason"] == "application error"


async def test_words_music_and_silence_are_heard_in_order(session: aiohttp.ClientSession) -> None:
    heard = await heard_of(
        session, "<Response><Say loop='2'>a b</Say><Pause length='2'/><Play>m.mp3</Play><Hangup/></Response>"
    )
    kinds = [event["kind"] for event in heard]
    assert kinds == ["state", "state", "words", "words", "silence", "music", "state", "ended"]
    assert heard[5]["url"].endswith("/m.mp3")
    assert (heard[-1]["reason"], heard[-1]["by"]) == ("the document hung up", "desk")
    assert [event["id"] for event in heard] == list(range(1, len(heard) + 1))


async def test_a_rejected_call_was_never_answered(session: aiohttp.ClientSession) -> None:
    heard = await heard_of(session, "<Response><Reject reason='busy'/></Response>")
    assert [event["kind"] for event in heard] == ["state", "state", "ended"]
    assert heard[-1]["status"] == "busy"


async def test_gather_takes_several_keys_and_a_finishing_one(session: aiohttp.ClientSession) -> None:
    asked: list[dict[str, str]] = []

    def documents(request: web.Request) -> web.Response:
        asked.append({name: str(value) for name, value in request._post.items()} if request._post else {})
        if "Digits" in asked[-1]:
            return xml("<Response><Hangup/></Response>")
        return xml("<Response><Gather timeout='600'/></Response>")

    async with answering(documents) as owner:
        route = {"number": NUMBER, "voice_url": f"{owner}/voice"}
        async with running(simulator_settings(numbers=[route])) as simulator:
            customer = await calls(session, simulator)
            await customer.until("listening")
            await customer.act("digits", digits="12")
            await customer.act("digits", digits="3#")
            await customer.until("ended")
            late = await customer.act("digits", digits="1")
    assert (asked[-1]["Digits"], asked[-1]["FinishedOnKey"]) == ("123", "#")
    assert late["status"] == 409


async def test_while_waiting_in_a_conference_a_document_may_not_gather(
    session: aiohttp.ClientSession,
) -> None:
    """Error 13238, the reason for our own looped documents."""

    def documents(request: web.Request) -> web.Response:
        if request.path == "/wait":
            return xml("<Response><Gather><Say>press</Say></Gather></Response>")
        dial = "<Conference startConferenceOnEnter='false' waitUrl='/wait'>room</Conference>"
        return xml(f"<Response><Dial>{dial}</Dial></Response>")

    async with answering(documents) as owner:
        route = {"number": NUMBER, "voice_url": f"{owner}/voice"}
        async with running(simulator_settings(numbers=[route])) as simulator:
            customer = await calls(session, simulator)
            error = await customer.until("error")
            assert error["code"] == 13238
            assert (await customer.show())["conference"] == {"name": "room", "status": "init"}


# --- REST ---


async def rest(
    session: aiohttp.ClientSession, simulator: RunningSimulator, method: str, path: str, **form: str
) -> tuple[int, Any]:
    auth = {"Authorization": aiohttp.encode_basic_auth(API_KEY_SID, API_KEY_SECRET)}
    url = f"{simulator.base_url}/2010-04-01/Accounts/{ACCOUNT_SID}{path}"
    options: dict[str, Any] = {"data": form} if method == "POST" else {"params": form}
    async with session.request(method, url, headers=auth, **options) as response:
        return response.status, None if response.status == 204 else await response.json()


@pytest.mark.parametrize(
    ("method", "path", "form", "status", "code"),
    [
        ("POST", "/Calls/{call}.json", {"Status": "hangup"}, 400, 20001),
        ("POST", "/Calls/{call}.json", {"status": "completed"}, 400, 20001),
        ("POST", "/Calls/{call}.json", {"Url": "/relative"}, 400, 20001),
        ("POST", "/Calls/{call}.json", {"Twiml": "<Response><Speak/></Response>"}, 400, 12200),
        ("POST", "/Calls/{call}.json", {"Twiml": "<Response/>", "Status": "completed"}, 400, 20001),
        ("POST", "/Calls/{call}.json", {}, 400, 20001),
        ("POST", "/Calls/{call}.json", {"TimeLimit": "5"}, 400, 20001),
        ("POST", "/Calls/{call}.json", {"Status": "canceled"}, 400, 21220),
        ("POST", "/Conferences/{conference}/Participants/{call}.json", {"hold": "true"}, 400, 20001),
        ("POST", "/Conferences/{conference}/Participants/{call}.json", {"Coaching": "true"}, 400, 20001),
        ("GET", "/Calls/CA1.json", {}, 404, 20404),
        ("GET", "/Call/{call}.json", {}, 404, 20404),
        ("PUT", "/Calls/{call}.json", {}, 404, 20404),
        ("GET", "/Conferences.json", {"Status": "running"}, 400, 20001),
        ("GET", "/Conferences.json", {"Name": "x"}, 400, 20001),
        ("GET", "/Conferences/{conference}/Participants/nobody.json", {}, 404, 20404),
    ],
)
async def test_rest_is_strict(
    session: aiohttp.ClientSession,
    simulator: RunningSimulator,
    desk: LittleDesk,
    method: str,
    path: str,
    form: dict[str, str],
    status: int,
    code: int,
) -> None:
    customer, _agent = await talking(session, simulator, desk)
    (living,) = simulator.exchange.conferences.all
    answer = await rest(
        session, simulator, method, path.format(call=customer.call_sid, conference=living), **form
    )
    assert (answer[0], answer[1]["code"], answer[1]["status"]) == (status, code, status)
    assert (await customer.show())["conference"]["status"] == "in-progress"


async def test_rest_needs_the_right_password(
    session: aiohttp.ClientSession, simulator: RunningSimulator
) -> None:
    url = f"{simulator.base_url}/2010-04-01/Accounts/{ACCOUNT_SID}.json"
    for user, password, status in (
        (API_KEY_SID, API_KEY_SECRET, 200),
        (ACCOUNT_SID, AUTH_TOKEN, 200),
        (API_KEY_SID, AUTH_TOKEN, 401),
        ("SK" + "0" * 32, API_KEY_SECRET, 401),
    ):
        auth = {"Authorization": aiohttp.encode_basic_auth(user, password)}
        async with session.get(url, headers=auth) as response:
            assert response.status == status
    async with session.get(url) as response:
        assert response.status == 401
        assert (await response.json())["code"] == 20003


async def test_hold_mute_coach_and_kick(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer, agent = await talking(session, simulator, desk)
    supervisor = await dials(session, simulator, desk)
    await supervisor.until("conference", started=True)
    (living,) = simulator.exchange.conferences.all
    participants = f"/Conferences/{living}/Participants"

    async def update(who: str, **form: str) -> dict[str, Any]:
        status, answer = await rest(session, simulator, "POST", f"{participants}/{who}.json", **form)
        assert status == 200, answer
        shown: dict[str, Any] = answer
        return shown

    assert (await update("customer", Hold="true"))["hold"]
    await customer.until("hold", on=True)
    assert (await agent.act("say", text="psst"))["heard_by"] == [supervisor.call_sid]
    await update("customer", Hold="false")
    assert (await update(agent.call_sid, Muted="true"))["muted"]
    assert (await agent.act("say", text="hello?"))["heard_by"] == []
    await update(agent.call_sid, Muted="false")
    coached = await update(supervisor.call_sid, Coaching="true", CallSidToCoach=agent.call_sid)
    assert coached["call_sid_to_coach"] == agent.call_sid
    assert (await supervisor.act("say", text="Offer a discount."))["heard_by"] == [agent.call_sid]
    status, listed = await rest(session, simulator, "GET", f"{participants}.json", Coaching="true")
    assert status == 200
    assert [one["call_sid"] for one in listed["participants"]] == [supervisor.call_sid]
    assert await rest(session, simulator, "DELETE", f"{participants}/{supervisor.call_sid}.json") == (
        204,
        None,
    )
    await supervisor.until("ended")
    status, _ = await rest(session, simulator, "POST", f"/Conferences/{living}.json", Status="completed")
    assert status == 200
    await customer.until("ended")
    status, ended = await rest(session, simulator, "GET", f"/Conferences/{living}.json")
    assert (status, ended["status"], ended["reason_conference_ended"]) == (
        200,
        "completed",
        "conference-ended-via-api",
    )


async def test_lists_have_pages(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    sids = [(await calls(session, simulator)).call_sid for _ in range(3)]
    status, first = await rest(session, simulator, "GET", "/Calls.json", PageSize="2")
    assert status == 200
    async with session.get(
        simulator.base_url + first["next_page_uri"],
        headers={"Authorization": aiohttp.encode_basic_auth(API_KEY_SID, API_KEY_SECRET)},
    ) as response:
        second = await response.json()
    assert [call["sid"] for call in first["calls"] + second["calls"]] == sids[::-1]
    assert second["next_page_uri"] is None


# --- softphones ---


def token(**changes: Any) -> str:
    claims: dict[str, Any] = {
        "iss": API_KEY_SID,
        "sub": ACCOUNT_SID,
        "exp": 4_102_444_800,
        "grants": {"identity": "agt_1", "voice": {"outgoing": {"application_sid": APP_SID}}},
    }
    secret = changes.pop("secret", API_KEY_SECRET)
    return jwt.encode(claims | changes, secret, algorithm="HS256")


@pytest.mark.parametrize(
    ("bearer", "status"),
    [
        (token(), 201),
        (token(secret="z" * 32), 401),
        (token(exp=1), 401),
        (token(iss="SK" + "0" * 32), 401),
        (token(sub="AC" + "0" * 32), 401),
        (token(grants={"identity": "agt_1"}), 401),
        (
            token(grants={"identity": "agt_1", "voice": {"outgoing": {"application_sid": "AP" + "0" * 32}}}),
            404,
        ),
        ("nonsense", 401),
        ("", 401),
    ],
)
async def test_a_softphone_needs_a_good_token(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk, bearer: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {bearer}"}
    url = f"{simulator.base_url}/control/softphones/dial"
    async with session.post(
        url, json={"params": {"interaction_id": INTERACTION}}, headers=headers
    ) as response:
        assert response.status == status, await response.text()


async def test_a_softphone_cannot_pretend_to_be_somebody_else(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    headers = {"Authorization": f"Bearer {token()}"}
    for params in ({"From": "client:agt_2"}, {"CallSid": "CA1"}, {"a b": "c"}):
        url = f"{simulator.base_url}/control/softphones/dial"
        async with session.post(url, json={"params": params}, headers=headers) as response:
            assert response.status == 400
            assert (await response.json())["field"] == "params"


# --- the control API ---


async def test_a_stream_can_be_taken_up_again_without_loss(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer = await calls(session, simulator)
    seen: list[int] = []
    for _ in range(3):  # torn away in the middle, three times
        headers = {"Last-Event-ID": str(seen[-1] if seen else 0)}
        async with session.get(f"{customer.url}/events", headers=headers) as stream:
            async for event in sse(stream):
                seen.append(event["id"])
                if len(seen) % 3 == 0:
                    break
    await customer.act("hangup")
    async with session.get(f"{customer.url}/events?last_event_id={seen[-1]}") as stream:
        rest_of_it = [event async for event in sse(stream)]
    seen += [event["id"] for event in rest_of_it]
    assert seen == list(range(1, len(seen) + 1))
    assert rest_of_it[-1]["kind"] == "ended"
    async with session.get(f"{customer.url}/events", headers={"Last-Event-ID": str(seen[-1])}) as stream:
        assert stream.status == 204  # tells a browser to stop asking


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/control/calls", {"from": "123"}, 400, "from"),
        ("POST", "/control/calls", {"from": None, "to": "+15550000000"}, 404, "to"),
        ("POST", "/control/calls", {"whence": 1}, 400, "whence"),
        ("POST", "/control/calls/CA1/digits", {"digits": "1"}, 404, "call_sid"),
        ("PUT", "/control/faults", {"rules": [{"do": "explode"}]}, 400, "rules.0.do"),
        ("PUT", "/control/traffic", {"calls_per_minute": -1}, 400, "calls_per_minute"),
        ("GET", "/control/log?after=x", None, 400, "after"),
        ("GET", "/control/nothing", None, 404, ""),
    ],
)
async def test_bad_wishes_name_the_field(
    session: aiohttp.ClientSession,
    simulator: RunningSimulator,
    desk: LittleDesk,
    method: str,
    path: str,
    body: Any,
    status: int,
    field: str,
) -> None:
    async with session.request(method, simulator.base_url + path, json=body) as response:
        answer = await response.json()
        assert (response.status, answer["field"]) == (status, field)


async def test_only_allowed_pages_may_use_it(session: aiohttp.ClientSession) -> None:
    async with running(simulator_settings(allowed_origins=[PAGE])) as simulator:
        url = f"{simulator.base_url}/control/health"
        async with session.get(url, headers={"Origin": PAGE}) as response:
            assert response.status == 200
            assert response.headers["Access-Control-Allow-Origin"] == PAGE
        async with session.get(url, headers={"Origin": "http://evil.example"}) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers
        async with session.options(url, headers={"Origin": PAGE}) as response:
            assert response.status == 204
            assert "POST" in response.headers["Access-Control-Allow-Methods"]
        async with session.post(f"{simulator.base_url}/control/calls", data=b"{}") as response:
            assert response.status == 415  # what a foreign page could send without asking


async def test_the_record_has_everything(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer, _agent = await talking(session, simulator, desk)
    await customer.act("hangup")
    await customer.until("ended")
    async with session.get(f"{simulator.base_url}/control/log?limit=1000") as response:
        log = await response.json()
    kinds = {entry["kind"] for entry in log["entries"]}
    assert kinds >= {"call", "webhook", "rest", "conference"}
    assert [entry["n"] for entry in log["entries"]] == list(range(1, len(log["entries"]) + 1))
    voice = next(
        entry for entry in log["entries"] if entry["kind"] == "webhook" and entry["url"].endswith("/voice")
    )
    assert voice["status"] == 200
    assert voice["answer"].startswith("<?xml")
    assert voice["form"]["CallSid"] == customer.call_sid


# --- as a process of its own ---


async def test_it_runs_as_a_process(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    config = tmp_path / "simulator.toml"
    record = tmp_path / "record.jsonl"
    config.write_text(
        f'account_sid = "{ACCOUNT_SID}"\nauth_token = "{AUTH_TOKEN}"\napi_key_sid = "{API_KEY_SID}"\n'
        f'api_key_secret = "{API_KEY_SECRET}"\nrecord_file = "{record}"\nspeed = 100\n'
        f'[[numbers]]\nnumber = "{NUMBER}"\nvoice_url = "http://127.0.0.1:9/voice"\n'
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "channels.simulator", str(config), "--traffic", "600", "--stop-with-stdin"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    async with asyncio.timeout(20):
        base = json.loads(await process.stdout.readline())["listening"]
        while True:
            async with session.get(f"{base}/control/traffic") as response:
                if (await response.json())["arrived"] > 2:
                    break
        process.stdin.close()  # as when the parent was killed
        assert await process.wait() == 0
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert {line["kind"] for line in lines} >= {"call", "webhook", "error"}


@pytest.mark.parametrize(
    ("text", "words"),
    [("speed = 0\n", "account_sid"), ("nonsense = 1\n", "nonsense"), ("not toml", "configuration")],
)
async def test_bad_settings_are_refused_at_start(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "simulator.toml"
    config.write_text(text)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "channels.simulator", str(config)), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert words in errors.decode()
