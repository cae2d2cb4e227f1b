"""Callers who are called back, over real HTTP and sockets: the desk, the pretend carrier, an agent's console."""

from pathlib import Path
from typing import Any

import pytest

from service_desk.actions import admin
from service_desk.audit import audit
from service_desk.clock import DAY
from service_desk.storage import schema
from tests.chaos.scene import QUICK, stage
from tests.e2e.console import Console, console
from tests.e2e.world import NUMBER, World, add_agent, until, world
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import rows_of

CALLER = "+14155550100"


def calling_back(config: dict[str, Any], **rule: Any) -> dict[str, Any]:
    """The configuration with a service queue that offers callbacks at once."""
    rule = {"offer_after_s": 0, "answer_s": 60, "tries": 2, "pause_s": 30, **rule}
    queues = [
        {**queue, "callback": rule} if queue["id"] == "service" else queue for queue in config["queues"]
    ]
    return {**config, "queues": queues}


async def ask_for_it(desk: World) -> str:
    """Somebody phones, hears the offer, presses the key, is told, and the call ends; the call's id."""
    call = await desk.call(CALLER)

    async def offered() -> bool:
        leg = await desk.leg(call)
        heard = [event["text"] for event in leg["events"] if event["kind"] == "words"]
        return bool(leg["listening"] and heard and "press 1" in heard[-1])

    await until(offered, "the caller hears the offer")
    pressed = await desk.control("POST", f"/calls/{call}/digits", {"digits": "1"})
    assert pressed["taken"]

    async def over() -> bool:
        leg = await desk.leg(call)
        heard = [event["text"] for event in leg["events"] if event["kind"] == "words"]
        return leg["ended"] is not None and "We will call you back" in heard[-1]

    await until(over, "the caller is told, and the call ends")
    return call


async def ringing(desk: World) -> dict[str, Any]:
    """The customer's telephone, once it rings."""

    async def rings() -> dict[str, Any] | None:
        return next(iter((await desk.control("GET", "/calls?ringing=1"))["calls"]), None)

    found = await until(rings, "the customer's telephone rings")
    assert found is not None
    assert (found["from"], found["to"]) == (NUMBER, CALLER)
    return found


async def answer(desk: World) -> str:
    call = str((await ringing(desk))["call_sid"])
    assert (await desk.control("POST", f"/calls/{call}/answer", {}))["answered"]
    return call


async def talk_and_end(desk: World, ann: Console, contact: str, call: str) -> None:
    """The two hear each other; the agent hangs up and writes how it went."""

    async def heard() -> bool:
        said = await desk.control("POST", f"/calls/{call}/say", {"text": "Thank you for calling back."})
        return bool(said["heard_by"])

    await until(heard, "the customer is heard")
    await ann.ask("POST", f"/interactions/{contact}/end", {})
    await ann.interaction(contact, "wrap_up")

    async def over() -> bool:
        return (await desk.leg(call))["ended"] is not None

    await until(over, "the customer's leg ends")
    await ann.ask("POST", f"/interactions/{contact}/wrap-up", {"disposition": "done"})


async def calls_out(desk: World) -> int:
    """How many calls the carrier was asked to place."""
    entries = (await desk.control("GET", "/log?kind=rest&limit=1000"))["entries"]
    return sum(entry["method"] == "POST" and entry["path"].endswith("/Calls.json") for entry in entries)


async def nothing_is_wrong(desk: World) -> None:
    async def settled() -> bool:
        effects = await rows_of(desk.desk, schema.effect)
        return all(effect["done_at"] is not None for effect in effects)

    await until(settled, "every effect is done")

    async def clean() -> bool:
        return not await desk.desk.read(audit, patience=DAY)

    await until(clean, f"the audit finds nothing: {await desk.desk.read(audit, patience=DAY)}")


async def test_agent_first(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path, config=calling_back(CONFIG)) as desk:
        await add_agent(desk, "ann")
        await ask_for_it(desk)
        (row,) = await rows_of(desk.desk, schema.interaction)
        assert row["state"] == "queued", "their hanging up ends nothing"
        async with console(desk, "ann") as ann:
            offer = await ann.offer()
            contact = offer["interaction_id"]
            assert contact == row["id"]
            assert offer["because"]["callback"] == "agent"
            assert ann.state["interactions"][contact]["callback"] is True
            assert next(iter(ann.state["cards"].values()))["customer"]["display_name"] == "+1 415-555-0100"
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            assert await calls_out(desk) == 0, "nobody is called before somebody is on the line"
            await ann.take_call(contact)
            call = await answer(desk)
            active = await ann.interaction(contact, "active")
            assert active["call"]["in_conference"] is True
            lines = [entry["text"] for entry in ann.entries(contact) if entry["kind"] == "system"]
            assert lines[:3] == ["callback.asked", "callback.dialling", "callback.answered"]
            await talk_and_end(desk, ann, contact, call)
        assert await calls_out(desk) == 1
        await nothing_is_wrong(desk)


async def test_customer_first(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path, config=calling_back(CONFIG, first="customer")) as desk:
        await add_agent(desk, "ann")
        await ask_for_it(desk)
        async with console(desk, "ann") as ann:  # before somebody works, nobody is called
            call = await answer(desk)

            async def greeted() -> bool:
                events = (await desk.leg(call))["events"]
                return any("with your callback" in event.get("text", "") for event in events)

            await until(greeted, "they hear who calls")
            offer = await ann.offer()
            contact = offer["interaction_id"]
            assert offer["because"]["kept"] == "callback"
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            await ann.take_call(contact)
            await ann.interaction(contact, "active")
            await talk_and_end(desk, ann, contact, call)
        assert await calls_out(desk) == 1
        await nothing_is_wrong(desk)


async def test_who_declines_is_called_again(sqlite_url: str, tmp_path: Path) -> None:
    """The agent is free at once; the callback rests and is over by its last try, as a ticket."""
    async with world(sqlite_url, tmp_path, config=calling_back(CONFIG, tries=1)) as desk:
        await add_agent(desk, "ann")
        await ask_for_it(desk)
        async with console(desk, "ann") as ann:
            offer = await ann.offer()
            contact = offer["interaction_id"]
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            softphone = await ann.take_call(contact)
            call = str((await ringing(desk))["call_sid"])
            await desk.control("POST", f"/calls/{call}/hangup", {})

            async def cleared() -> bool:
                return not ann.state["interactions"]

            await until(cleared, "the agent has nothing more of it")

            async def hung_up() -> bool:
                return (await desk.leg(softphone))["ended"] is not None

            await until(hung_up, "the softphone is let go")
        (ticket,) = await rows_of(desk.desk, schema.ticket)
        assert ticket["subject"] == "Callback not reached: +1 415-555-0100"
        await nothing_is_wrong(desk)


@pytest.mark.soak
@pytest.mark.parametrize("point", ["outbox.after_claim", "outbox.after_effect"])
async def test_a_kill_between_the_decision_and_the_call(sqlite_url: str, tmp_path: Path, point: str) -> None:
    """The process dies before the request, or behind it: after the start the customer's telephone rings once."""
    async with stage(sqlite_url, tmp_path, seed=1) as on:
        desk = on.world
        await desk.desk.run(
            admin.publish_config, calling_back({**QUICK, "reclaim_s": 60, "lost_s": 60}, answer_s=120)
        )
        await on.process.start(kill_at=point)
        await ask_for_it(desk)
        async with console(desk, "ann") as ann:
            offer = await ann.offer()
            contact = offer["interaction_id"]
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
            await ann.take_call(contact)

            async def dead() -> bool:
                return on.process.dead()

            await until(dead, "the process dies")
            assert await calls_out(desk) == (1 if point == "outbox.after_effect" else 0)
            await on.process.start()
            await ann.come_back(desk)

            async def settled() -> bool:
                (effect,) = await rows_of(desk.desk, schema.effect, kind="dial_customer")
                return effect["done_at"] is not None

            call = await answer(desk)
            await until(settled, "it is found out what became of the call", within_s=60)
            await ann.interaction(contact, "active")
            await talk_and_end(desk, ann, contact, call)
        assert await calls_out(desk) == 1
        await nothing_is_wrong(desk)
