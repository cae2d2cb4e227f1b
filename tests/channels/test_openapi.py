"""Our REST requests are in the provider's official description, and so are the simulator's answers."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from channels.contract import AccountId, CallWaiting, OutboundCall, OutboundText, ParticipantChange
from channels.simulator.server import RunningSimulator
from channels.simulator.settings import MessagingService
from channels.sms.plugin import open_sms
from tests.channels.little_desk import LittleDesk
from tests.channels.openapi import BESIDE_THE_PROJECT, PATH_VARIABLE, OpenApi, description_path
from tests.channels.people import INTERACTION, calls, conference, talking
from tests.channels.pretend import (
    ACCOUNT_SID,
    API_KEY_SECRET,
    API_KEY_SID,
    CALL_SID,
    CONFERENCE_SID,
    DIAL,
    NUMBER,
)
from tests.channels.sms.pretend_texts import CUSTOMER, SERVICE_SID, SMS_ACCOUNT, sms_settings
from tests.channels.sms.text_desk import listening as texting

FOUND = description_path()
if FOUND is None:
    pytest.skip(
        f"the provider's OpenAPI description is not here: set {PATH_VARIABLE} to twilio_api_v2010.json, "
        f"or put it into ../shared/{BESIDE_THE_PROJECT.parent.name}/ beside the project",
        allow_module_level=True,
    )
DESCRIPTION: Path = FOUND
ACCOUNT_PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
PARTICIPANT = f"{ACCOUNT_PATH}/Conferences/{CONFERENCE_SID}/Participants/{CALL_SID}.json"


@pytest.fixture(scope="module")
def api() -> OpenApi:
    return OpenApi(DESCRIPTION)


@pytest.mark.parametrize(
    ("method", "path", "parameters", "fault"),
    [
        ("POST", PARTICIPANT, {"hold": "true"}, "hold is unknown"),
        ("POST", PARTICIPANT, {"Coaching": "yes"}, "Coaching='yes' is not in its form"),
        ("POST", PARTICIPANT, {"CallSidToCoach": "CA1"}, "CallSidToCoach='CA1' is not in its form"),
        (
            "POST",
            f"{ACCOUNT_PATH}/Calls/{CALL_SID}.json",
            {"Status": "hangup"},
            "Status='hangup' is not in its form",
        ),
        ("POST", f"{ACCOUNT_PATH}/Calls/{CALL_SID}.json", {"Url": "/wait"}, "Url='/wait' is not in its form"),
        ("POST", f"{ACCOUNT_PATH}/Calls/CA1.json", {"Status": "completed"}, "Sid='CA1' is not in its form"),
        ("POST", f"{ACCOUNT_PATH}/Calls.json", {"From": "+14155550100"}, "To is missing"),
        (
            "POST",
            f"{ACCOUNT_PATH}/Calls.json",
            {"From": "a", "To": "b", "MachineDetection": "on"},
            "MachineDetection=",
        ),
        ("POST", f"{ACCOUNT_PATH}/Call/{CALL_SID}.json", {"Status": "completed"}, "no operation"),
        ("PUT", f"{ACCOUNT_PATH}/Calls/{CALL_SID}.json", {"Status": "completed"}, "no operation"),
        ("GET", f"{ACCOUNT_PATH}/Conferences.json", {"PageSize": "0"}, "PageSize='0' is not in its form"),
        ("POST", f"{ACCOUNT_PATH}/Messages.json", {"Body": "hello"}, "To is missing"),
        ("POST", f"{ACCOUNT_PATH}/Messages.json", {"To": "a", "body": "hello"}, "body is unknown"),
        ("POST", f"{ACCOUNT_PATH}/Messages.json", {"To": "a", "MediaUrl": "/x"}, "MediaUrl='/x' is not in"),
        ("GET", f"{ACCOUNT_PATH}/Messages/CA1.json", {}, "Sid='CA1' is not in its form"),
    ],
)
def test_the_check_catches(
    api: OpenApi, method: str, path: str, parameters: dict[str, str], fault: str
) -> None:
    assert any(found.startswith(fault) for found in api.faults(method, path, parameters))


def test_the_check_lets_good_requests_pass(api: OpenApi) -> None:
    assert api.faults("POST", PARTICIPANT, {"Hold": "true", "HoldUrl": "https://desk.example/hold"}) == []
    assert api.faults("POST", f"{ACCOUNT_PATH}/Calls/{CALL_SID}.json", {"Status": "completed"}) == []


async def test_every_request_of_the_adapter(
    api: OpenApi, session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    """All that CallControl and health can do, captured where it arrives."""
    channel = desk.channel
    assert (await channel.health()).ok
    customer, _agent = await talking(session, simulator, desk)
    await channel.connect(customer.call_sid, INTERACTION)
    await channel.look_up(customer.call_sid, INTERACTION)
    await channel.put_back(customer.call_sid)
    await channel.look_up("CA" + "9" * 32)
    await channel.hang_up(customer.call_sid)
    await channel.hang_up(customer.call_sid)
    call = OutboundCall(DIAL, "+16135550199", NUMBER, ring_s=30)
    leg = await channel.dial(call)
    assert [found.call_id for found in await channel.find_dialled(call, 0)] == [leg]
    await channel.hang_up(leg)
    captured = simulator.exchange.record.after(0, 1_000, "rest")
    assert {entry["method"] for entry in captured} == {"GET", "POST"}
    assert {key for entry in captured for key in entry["parameters"]} >= {
        "Twiml",
        "Url",
        "Status",
        "FriendlyName",
        *("To", "From", "StatusCallback", "StatusCallbackEvent", "Timeout"),
    }
    for entry in captured:
        assert api.faults(entry["method"], entry["path"], entry["parameters"]) == [], entry


async def test_every_request_of_the_sms_adapter(api: OpenApi, simulator: RunningSimulator) -> None:
    """All that sending, reading back and health can do, captured where it arrives."""
    async with texting(sms_settings(api_base_url=simulator.base_url, validity_s=3_600)) as desk:
        messaging = simulator.exchange.messaging
        messaging.set_routes((desk.route(),), (MessagingService(sid=SERVICE_SID, numbers=(NUMBER,)),))
        words = OutboundText("msg_1", CUSTOMER, "hello", media_urls=("https://desk.example/blobs/b?t=%2B",))
        sent = await desk.channel.send(words)
        await desk.channel.send(
            OutboundText("msg_2", CUSTOMER, "", NUMBER, ("https://desk.example/blobs/b",))
        )
        assert (
            await desk.channel.look_up(OutboundText("msg_1", CUSTOMER, "x", sender=NUMBER), since=0) is None
        )
        assert await desk.channel.look_up(words, since=0) == sent
        await desk.channel.delivery(sent.provider_id)
        assert (await desk.channel.health()).ok
        service = sms_settings(api_base_url=simulator.base_url, messaging_service_sid=SERVICE_SID)
        by_service = open_sms(AccountId(SMS_ACCOUNT), service, desk.base_url)
        await by_service.send(OutboundText("msg_3", CUSTOMER, "by the service"))
        await by_service.close()
    captured = simulator.exchange.record.after(0, 1_000, "rest")
    assert {entry["status"] for entry in captured} == {200, 201}
    assert {key for entry in captured for key in entry["parameters"]} == {
        *("Body", "From", "MediaUrl", "MessagingServiceSid", "PageSize", "StatusCallback", "To"),
        "ValidityPeriod",
    }
    for entry in captured:
        assert api.faults(entry["method"], entry["path"], entry["parameters"]) == [], entry


async def test_the_simulator_refuses_messages_that_the_description_refuses(
    api: OpenApi, session: aiohttp.ClientSession, simulator: RunningSimulator
) -> None:
    path = f"{ACCOUNT_PATH}/Messages.json"
    good = {"To": CUSTOMER, "From": NUMBER, "Body": "hello"}
    names = ("to", "MediaUrl", "MessagingServiceSid", "StatusCallback", "ValidityPeriod", "SendAsMms", "Text")
    refused = 0
    for name in names:
        for value in ("yes", "", "MG1", "/x", "soon", "1.5", "x" * 5_000):
            form = good | {name: value}
            if api.faults("POST", path, form):
                refused += 1
                answer = await _post(session, simulator.base_url + path, form)
                assert answer["status"] == 400, (name, value)
                assert {"code", "message", "more_info"} <= answer.keys()
    assert refused > 30


async def test_messages_have_the_described_fields(
    api: OpenApi, session: aiohttp.ClientSession, simulator: RunningSimulator
) -> None:
    properties = api._spec["components"]["schemas"]["api.v2010.account.message"]["properties"]
    statuses = set()
    async with texting(sms_settings(api_base_url=simulator.base_url)) as desk:
        simulator.exchange.messaging.set_routes((desk.route(),))
        simulator.exchange.messaging.set_phone("+16135550188", 30003)
        delivered = await desk.channel.send(OutboundText("msg_1", CUSTOMER, "hello"))
        failed = await desk.channel.send(OutboundText("msg_2", "+16135550188", "hello"))
        incoming = simulator.exchange.messaging.text(CUSTOMER, None, "hello")
        await desk.fared(delivered.provider_id, "delivered")
        await desk.fared(failed.provider_id, "undelivered")
        for sid in (delivered.provider_id, failed.provider_id, incoming.sid):
            auth = {"Authorization": aiohttp.encode_basic_auth(API_KEY_SID, API_KEY_SECRET)}
            url = f"{simulator.base_url}{ACCOUNT_PATH}/Messages/{sid}.json"
            async with session.get(url, headers=auth) as response:
                answer = await response.json()
            assert answer.keys() == properties.keys()
            statuses.add(answer["status"])
            for name, value in answer.items():
                resolved = api._resolved(properties[name])
                assert value is None or "enum" not in resolved or value in resolved["enum"], (name, value)
    assert statuses == {"delivered", "undelivered", "received"}


async def test_the_simulator_refuses_what_the_description_refuses(
    api: OpenApi, session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    """Many parameters at real resources: what the description forbids, the simulator does not take."""
    customer, _agent = await talking(session, simulator, desk)
    (living,) = simulator.exchange.conferences.all.values()
    paths = [
        f"{ACCOUNT_PATH}/Calls/{customer.call_sid}.json",
        f"{ACCOUNT_PATH}/Conferences/{living.sid}/Participants/{customer.call_sid}.json",
    ]
    values = ["true", "TRUE", "hangup", "", "GET", "PUT", "/wait", "CA1", "x" * 5_000]
    names = [
        "Hold",
        "hold",
        "Muted",
        "Status",
        "Url",
        "Method",
        "CallSidToCoach",
        "HoldMethod",
        "EndConferenceOnExit",
    ]
    refused = 0
    for path in paths:
        for name in names:
            for value in values:
                if api.faults("POST", path, {name: value}):
                    refused += 1
                    answer = await _post(session, simulator.base_url + path, {name: value})
                    assert answer["status"] == 400, (path, name, value)
                    assert {"code", "message", "more_info"} <= answer.keys()
    assert refused > 100


async def test_the_simulator_refuses_calls_that_the_description_refuses(
    api: OpenApi, session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    """Each parameter of a call out with many values: what the description forbids rings nobody."""
    path = f"{ACCOUNT_PATH}/Calls.json"
    good = {"To": "+16135550199", "From": NUMBER, "Url": f"{desk.base_url}/hooks/phone/x/customer"}
    names: tuple[str, ...] = (
        "to",
        "Url",
        "Method",
        "FallbackUrl",
        "FallbackMethod",
        "StatusCallback",
        "StatusCallbackMethod",
    )
    names += ("StatusCallbackEvent", "Timeout", "MachineDetection", "Record", "timeout")
    refused = 0
    for name in names:
        for value in ("yes", "", "PUT", "/x", "soon", "1.5", "answered completed"):
            if api.faults("POST", path, good | {name: value}):
                refused += 1
                answer = await _post(session, simulator.base_url + path, good | {name: value})
                assert answer["status"] == 400, (name, value)
                assert {"code", "message", "more_info"} <= answer.keys()
    assert refused > 40
    assert simulator.exchange.living() == []


async def test_answers_have_the_described_fields(
    api: OpenApi, session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer, _agent = await talking(session, simulator, desk)
    (living,) = simulator.exchange.conferences.all.values()
    schemas = api._spec["components"]["schemas"]
    conference_path = f"{ACCOUNT_PATH}/Conferences/{living.sid}"
    for path, schema in (
        (f"{ACCOUNT_PATH}/Calls/{customer.call_sid}.json", "api.v2010.account.call"),
        (f"{conference_path}.json", "api.v2010.account.conference"),
        (f"{conference_path}/Participants/customer.json", "api.v2010.account.conference.participant"),
        (f"{ACCOUNT_PATH}.json", "api.v2010.account"),
    ):
        auth = {"Authorization": aiohttp.encode_basic_auth(API_KEY_SID, API_KEY_SECRET)}
        async with session.get(simulator.base_url + path, headers=auth) as response:
            answer = await response.json()
        assert answer.keys() <= schemas[schema]["properties"].keys()
        for name, value in answer.items():
            resolved = api._resolved(schemas[schema]["properties"][name])
            assert value is None or "enum" not in resolved or value in resolved["enum"], (path, name, value)


async def _post(session: aiohttp.ClientSession, url: str, form: dict[str, str]) -> dict[str, Any]:
    auth = {"Authorization": aiohttp.encode_basic_auth(API_KEY_SID, API_KEY_SECRET)}
    async with session.post(url, data=form, headers=auth) as response:
        answered: dict[str, Any] = await response.json()
        assert answered.setdefault("status", response.status) in {response.status, "in-progress", "connected"}
        return answered


async def test_a_waiting_leg_can_be_read(
    session: aiohttp.ClientSession, simulator: RunningSimulator, desk: LittleDesk
) -> None:
    customer = await calls(session, simulator)
    await customer.until("listening")
    await customer.act("digits", digits="1")
    await desk.count(CallWaiting, 1)
    leg = await desk.channel.look_up(customer.call_sid, INTERACTION)
    assert leg is not None
    assert leg.conference is None
    await desk.channel.connect(customer.call_sid, INTERACTION)
    await desk.event(conference(ParticipantChange.JOINED, customer.call_sid))
