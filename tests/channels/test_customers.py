"""Background customers: they arrive by chance, behave by their mood, and the same seed gives the same day."""

import asyncio
import statistics
from collections.abc import Mapping

import aiohttp

from channels.contract import (
    Answer,
    CallbackAsked,
    CallStarted,
    CallWaiting,
    CustomerAnswered,
    DigitsPressed,
    HangUp,
    Hold,
    InboundEvent,
    Join,
    OutboundCall,
    Prompt,
)
from channels.simulator.customers import draw_mood
from channels.simulator.pace import Pace
from channels.simulator.server import running
from channels.simulator.settings import Traffic
from tests.channels.little_desk import HOLD, Policy, listening, usual
from tests.channels.pretend import NUMBER, phone_settings, simulator_settings

KNOWN = ("+14155550111", "+4930123456789")


async def living_centre(
    traffic: Mapping[str, object], policy: Policy, outcome: str, number: int, per_minute: float = 60
) -> dict[str, int]:
    """Run customers against a little desk until so many have had an outcome."""
    settings = simulator_settings(speed=500, traffic=traffic)
    async with (
        running(settings) as simulator,
        listening(phone_settings(api_base_url=simulator.base_url)) as desk,
    ):
        desk.policy = policy
        simulator.exchange.set_routes(*desk.routes())
        url = f"{simulator.base_url}/control/traffic"
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            async with session.put(url, json={"calls_per_minute": per_minute}) as response:
                assert response.status == 200
            while True:
                async with session.get(url) as response:
                    counts: dict[str, int] = await response.json()
                if counts[outcome] >= number:
                    return counts


async def test_impatient_customers_give_up() -> None:
    counts = await living_centre({"patience_mean_s": 20}, usual, "gave_up", 20)
    assert (counts["talked"], counts["no_route"]) == (0, 0)


async def test_customers_talk_when_somebody_is_there() -> None:
    def staffed(event: InboundEvent) -> Answer:
        """Somebody is always there: a second in line starts the conference at once."""
        return Join("int_1", role="agent") if isinstance(event, CallWaiting) else usual(event)

    counts = await living_centre({"patience_mean_s": 1e12, "talk_median_s": 5}, staffed, "talked", 20)
    assert counts["gave_up"] == 0


async def test_customers_who_are_sent_away() -> None:
    def closed(event: InboundEvent) -> Answer:
        return HangUp()

    counts = await living_centre({"patience_mean_s": 1e12}, closed, "sent_away", 20)
    assert counts["talked"] == 0


async def test_too_many_find_a_busy_line() -> None:
    def nobody(event: InboundEvent) -> Answer:
        return HOLD

    traffic = {"patience_mean_s": 1e12, "living_max": 3}
    counts = await living_centre(traffic, nobody, "turned_away", 10, per_minute=600)
    assert counts["living"] <= 3


def test_moods_follow_the_settings() -> None:
    traffic = Traffic(
        callers=KNOWN, stranger_share=0.2, withheld_share=0.1, patience_mean_s=60, talk_median_s=100
    )
    moods = [draw_mood(traffic, pace.random) for pace in [Pace(1, seed=7)] for _ in range(4_000)]
    withheld = sum(mood.caller is None for mood in moods) / len(moods)
    known = sum(mood.caller in KNOWN for mood in moods) / len(moods)
    assert abs(withheld - 0.1) < 0.02
    assert abs(known - 0.7) < 0.03
    assert abs(statistics.mean(mood.patience_s for mood in moods) - 60) < 4
    assert abs(statistics.median(mood.talk_s for mood in moods) - 100) < 6
    assert {mood.digit for mood in moods} == {"1", "2", "3", "4", None}


def test_the_same_seed_gives_the_same_customers() -> None:
    first, second = Pace(1, seed=3).random, Pace(1, seed=3).random
    assert [draw_mood(Traffic(), first) for _ in range(50)] == [
        draw_mood(Traffic(), second) for _ in range(50)
    ]


async def test_customers_ask_to_be_called_back_and_mostly_answer() -> None:
    """They press the key where it is offered, hang up, and pick up when their telephone rings."""
    offer = Hold(Prompt("To be called back at this number, press 1."), offers_callback=True)
    traffic = {
        "patience_mean_s": 1e12,
        "talk_median_s": 5,
        "silent_share": 0,
        "withheld_share": 0,
        "callback_share": 1,
    }
    settings = simulator_settings(speed=500, traffic=traffic)
    async with (
        running(settings) as simulator,
        listening(phone_settings(api_base_url=simulator.base_url)) as desk,
        aiohttp.ClientSession() as session,
        asyncio.timeout(30),
    ):
        started: dict[str, str] = {}

        def policy(event: InboundEvent) -> Answer:
            if isinstance(event, CallStarted) and event.caller is not None:
                started[event.call_id] = event.caller
            if isinstance(event, CustomerAnswered):
                return Join("int_1", role="agent")  # somebody is there at once
            if isinstance(event, DigitsPressed | CallWaiting):
                return offer
            return HangUp() if isinstance(event, CallbackAsked) else usual(event)

        desk.policy = policy
        simulator.exchange.set_routes(*desk.routes())
        url = f"{simulator.base_url}/control/traffic"
        await session.put(url, json={"calls_per_minute": 60})
        asked = await desk.count(CallbackAsked, 10)
        await session.put(url, json={"calls_per_minute": 0})
        for number, event in enumerate(asked):
            assert isinstance(event, CallbackAsked)
            assert event.digit == "1"
            call = OutboundCall(f"int_1.{number}", started[event.call_id], NUMBER, ring_s=20)
            await desk.channel.dial(call)
        answered = await desk.count(CustomerAnswered, 6)
        assert len(answered) >= 6
        async with session.get(url) as response:
            counts = await response.json()
        assert counts["asked_back"] >= 10
        assert counts["called_back"] >= 6
