"""The pretend carrier's message API refuses what the provider refuses, and lists as it does."""

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from channels.simulator.messages import Message, MessageBook
from channels.simulator.server import RunningSimulator
from tests.channels.pretend import ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN, NUMBER
from tests.channels.sms.pretend_texts import CUSTOMER
from tests.channels.sms.text_desk import Mobile, TextDesk

PATH = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
GOOD = {"To": CUSTOMER, "From": NUMBER, "Body": "hello"}
AUTH = {"Authorization": aiohttp.encode_basic_auth(API_KEY_SID, API_KEY_SECRET)}


async def post(
    session: aiohttp.ClientSession, simulator: RunningSimulator, form: Any, headers: dict[str, str] = AUTH
) -> tuple[int, dict[str, Any]]:
    async with session.post(simulator.base_url + PATH, data=form, headers=headers) as response:
        return response.status, await response.json()


async def listed(
    session: aiohttp.ClientSession, simulator: RunningSimulator, **filters: str
) -> list[dict[str, Any]]:
    async with session.get(simulator.base_url + PATH, params=filters, headers=AUTH) as response:
        assert response.status == 200, await response.text()
        found: list[dict[str, Any]] = (await response.json())["messages"]
        return found


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": None}, 21604),
        ({"To": ""}, 21604),
        ({"To": "6135550199"}, 21211),
        ({"To": "+0"}, 21211),
        ({"To": NUMBER}, 21266),
        ({"From": None}, 21603),
        ({"From": "+14155550999"}, 21606),
        ({"From": "Desk"}, 21606),
        ({"Body": None}, 21602),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1_601}, 21617),
        ({"Body": "😀" * 801}, 21617),
        ({"Body": "a\x00b"}, 20001),
        ({"MediaUrl": "/picture"}, 21620),
        ({"StatusCallback": "desk.example"}, 21609),
        ({"MessagingServiceSid": "MG1"}, 20001),
        ({"MessagingServiceSid": "MG" + "9" * 32}, 20404),
        ({"ValidityPeriod": "0"}, 20001),
        ({"ValidityPeriod": "soon"}, 20001),
        ({"body": "hello"}, 20001),
        ({"IdempotencyKey": "x"}, 20001),
        (
            {"SendAt": "2026-11-22T00:00:00Z"},
            20001,
        ),  # the real one takes it, this one would have to ignore it
    ],
)
async def test_refusals(
    session: aiohttp.ClientSession,
    simulator: RunningSimulator,
    text_desk: TextDesk,
    change: dict[str, str | None],
    code: int,
) -> None:
    assert text_desk.base_url
    form = {name: value for name, value in (GOOD | change).items() if value is not None}
    status, answer = await post(session, simulator, form)
    assert (status, answer["code"]) == (404 if code == 20404 else 400, code)
    assert answer.keys() == {"code", "message", "more_info", "status"}
    assert await listed(session, simulator) == []


async def test_what_may_be_repeated(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk
) -> None:
    assert text_desk.base_url
    pairs = [*GOOD.items(), *[("MediaUrl", f"https://desk.example/{number}") for number in range(10)]]
    status, answer = await post(session, simulator, pairs)
    assert (status, answer["num_media"], answer["status"]) == (201, "10", "queued")
    assert (await post(session, simulator, [*pairs, ("MediaUrl", "https://desk.example/10")]))[1][
        "code"
    ] == 21623
    assert (await post(session, simulator, [*GOOD.items(), ("Body", "again")]))[0] == 400


async def test_who_may_ask(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk
) -> None:
    assert text_desk.base_url
    assert (await post(session, simulator, GOOD, {}))[0] == 401
    wrong = {"Authorization": aiohttp.encode_basic_auth(API_KEY_SID, "x")}
    assert (await post(session, simulator, GOOD, wrong))[0] == 401
    account = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, AUTH_TOKEN)}
    assert (await post(session, simulator, GOOD, account))[0] == 201


async def test_the_list_is_filtered_and_paged(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk, mobile: Mobile
) -> None:
    await mobile.texts("from a customer")
    sent = [await post(session, simulator, GOOD | {"Body": f"text {number}"}) for number in range(3)]
    await text_desk.channel.health()
    await mobile.until(text="text 2", status="delivered")
    assert [one["body"] for one in await listed(session, simulator, To=CUSTOMER)] == [
        "text 2",
        "text 1",
        "text 0",
    ]
    assert [one["direction"] for one in await listed(session, simulator, From=CUSTOMER)] == ["inbound"]
    first = await listed(session, simulator, To=CUSTOMER, PageSize="2")
    second = await listed(session, simulator, To=CUSTOMER, PageSize="2", Page="1")
    assert [one["body"] for one in first + second] == ["text 2", "text 1", "text 0"]
    today = datetime.now(UTC).date().isoformat()
    assert len(await listed(session, simulator, **{"DateSent>": today})) == 4
    assert await listed(session, simulator, **{"DateSent<": "2020-01-01"}) == []
    assert await listed(session, simulator, DateSent="2020-01-01T00:00:00Z") == []
    url = f"{simulator.base_url}{PATH.removesuffix('.json')}/{sent[0][1]['sid']}.json"
    async with session.get(url, headers=AUTH) as response:
        assert (await response.json())["status"] == "delivered"


async def test_the_carriers_own_replies_are_not_listed(
    session: aiohttp.ClientSession, simulator: RunningSimulator, mobile: Mobile
) -> None:
    await mobile.texts("STOP")
    assert [one["body"] for one in await listed(session, simulator)] == ["STOP"]
    assert len((await mobile.shows())["messages"]) == 2


# --- the control API ---


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"from": CUSTOMER}, 400),
        ({"from": CUSTOMER, "text": ""}, 400),
        ({"from": "1234", "text": "x"}, 400),
        ({"from": CUSTOMER, "text": "x" * 1_601}, 400),
        ({"from": CUSTOMER, "text": "x", "to": "+14155550999"}, 404),
        ({"from": CUSTOMER, "media": [{"media_type": "image/png", "data": "%"}]}, 400),
        ({"from": CUSTOMER, "media": [{"media_type": "text/html; x", "data": "eA=="}]}, 400),
        ({"from": CUSTOMER, "text": "x", "more": 1}, 400),
    ],
)
async def test_wishes_that_cannot_be(
    session: aiohttp.ClientSession,
    simulator: RunningSimulator,
    text_desk: TextDesk,
    body: dict[str, Any],
    status: int,
) -> None:
    assert text_desk.base_url
    async with session.post(f"{simulator.base_url}/control/texts", json=body) as response:
        assert response.status == status
        assert response.content_type == "application/problem+json"


async def test_the_page_lists_threads(
    session: aiohttp.ClientSession, simulator: RunningSimulator, text_desk: TextDesk, mobile: Mobile
) -> None:
    assert text_desk.base_url
    await mobile.texts("first")
    other = Mobile(session, simulator, "+16135550188")
    await other.texts("second")
    async with session.get(f"{simulator.base_url}/control/texts") as response:
        shown = await response.json()
    assert [(thread["customer"], thread["newest"]["text"]) for thread in shown["threads"]] == [
        ("+16135550188", "second"),
        (CUSTOMER, "first"),
    ]
    assert [number["number"] for number in shown["numbers"]] == [NUMBER]


async def test_a_page_shows_pictures_and_runs_nothing(
    session: aiohttp.ClientSession, simulator: RunningSimulator, mobile: Mobile
) -> None:
    await mobile.texts("", ("image/png", b"\x89PNG"), ("text/html", b"<script>"))
    (message,) = (await mobile.shows())["messages"]
    types = []
    for medium in message["media"]:
        sid = medium["url"].rpartition("/")[2]
        async with session.get(f"{simulator.base_url}/control/texts/media/{sid}") as response:
            types.append(response.content_type)
    assert types == ["image/png", "application/octet-stream"]


async def test_routes_can_be_set(session: aiohttp.ClientSession, simulator: RunningSimulator) -> None:
    route = {"number": NUMBER, "label": "Texts", "sms_url": "http://127.0.0.1:9/hooks/sms/sms-main/incoming"}
    url = f"{simulator.base_url}/control/routes"
    async with session.put(url, json={"texts": [route]}) as response:
        assert (await response.json())["texts"] == [NUMBER]


# --- bounds ---


def message(number: int, customer: str = CUSTOMER) -> Message:
    return Message(f"SM{number:032x}", customer, NUMBER, customer, f"{number}", "outbound-api", "queued")


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit in (("MESSAGES_KEPT", 5), ("THREADS_KEPT", 3), ("THREAD_KEPT", 4), ("MEDIA_BYTES", 100)):
        monkeypatch.setattr(f"channels.simulator.messages.{name}", limit)
    book = MessageBook()
    for number in range(10):
        book.add(message(number))
    assert [one.body for one in book.newest_first()] == ["9", "8", "7", "6", "5"]
    assert [one.body for one in book.thread(CUSTOMER)] == ["6", "7", "8", "9"]
    assert book.get(message(0).sid) is None
    for number in range(4):
        book.add(message(20 + number, f"+1613555020{number}"))
    assert len(book.threads()) == 3
    assert book.thread(CUSTOMER) == ()
    for number in range(5):
        book.keep_medium(f"ME{number}", b"x" * 40, "image/png")
    assert [book.medium(f"ME{number}") is not None for number in range(5)] == [
        False,
        False,
        False,
        True,
        True,
    ]


async def test_a_full_queue_asks_for_patience(
    monkeypatch: pytest.MonkeyPatch,
    session: aiohttp.ClientSession,
    simulator: RunningSimulator,
    mobile: Mobile,
) -> None:
    monkeypatch.setattr("channels.simulator.messaging.UNDER_WAY_MAX", 0)
    status, answer = await post(session, simulator, GOOD)
    assert (status, answer["code"]) == (429, 21611)
    monkeypatch.undo()
    assert (await post(session, simulator, GOOD))[0] == 201
    await mobile.until(status="delivered")
