"""The outbox and the sweep against the pretend carrier with its faults on: the carrier's record is the witness."""

from pathlib import Path
from typing import Any

import pytest

from service_desk.background.sweep import CallSweep
from service_desk.lease import SoleLease
from service_desk.storage import schema
from tests.e2e.console import Console, console
from tests.e2e.world import World, add_agent, until, world
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import row_of, rows_of

CALLS = "/Calls/"


async def switch(desk: World, *rules: dict[str, Any]) -> None:
    await desk.control("PUT", "/faults", {"rules": list(rules)})


def posts(desk: World, call: str) -> list[dict[str, Any]]:
    """What was asked of the carrier about a leg, other than looking."""
    return [
        entry
        for entry in desk.carrier.exchange.record.after(0, 10_000, "rest")
        if entry["method"] == "POST" and call in entry["path"]
    ]


async def settled(desk: World) -> list[str]:
    """Wait until no effect is open; the states in order."""

    async def all_done() -> list[str]:
        rows = await rows_of(desk.desk, schema.effect)
        return [row["state"] for row in rows] if all(row["done_at"] for row in rows) else []

    states: list[str] = await until(all_done, "every effect is done", within_s=20)
    return states


async def accept(one: Console) -> str:
    offer = await one.offer()
    await one.ask("POST", f"/offers/{offer['id']}/accept", {})
    return str(offer["interaction_id"])


async def in_conference(desk: World, call: str, contact: str) -> None:
    async def there() -> bool:
        conference = (await desk.leg(call))["conference"]
        return conference is not None and conference["name"] == contact

    await until(there, "the caller is in the conference")


async def test_done_but_answered_500_is_not_done_again(db_url: str, tmp_path: Path) -> None:
    async with world(db_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            call = await desk.call("+14155550100")
            await ann.offer()
            await switch(desk, {"do": "error_after_effect", "match": "POST /2010-04-01/Accounts", "times": 1})
            contact = await accept(ann)
            seen: set[str] = set()

            async def confirmed() -> bool:
                rows = await rows_of(desk.desk, schema.effect)
                seen.update(row["state"] for row in rows)
                return bool(rows) and all(row["done_at"] for row in rows)

            await until(confirmed, "the effect is settled")
            assert seen & {"unknown", "sent"}, "people could see that nobody knew"
            assert [entry["status"] for entry in posts(desk, call)] == [500], "asked once, done once"
            await in_conference(desk, call, contact)
            (effect,) = await rows_of(desk.desk, schema.effect)
            assert (effect["state"], effect["detail"]) == ("confirmed", "found done by read-back")

            await ann.take_call(contact)
            await ann.interaction(contact, "active")
            await switch(desk, {"do": "error_after_effect", "match": "POST /2010-04-01/Accounts", "times": 1})
            await ann.ask("POST", f"/interactions/{contact}/end", {})
            assert set(await settled(desk)) == {"confirmed"}
            assert (await desk.leg(call))["ended"]["by"] == "desk"


@pytest.mark.parametrize("fault", ["too_many", "error"])
async def test_refused_for_now_is_tried_again(sqlite_url: str, tmp_path: Path, fault: str) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            call = await desk.call("+14155550100")
            await ann.offer()
            await switch(
                desk, {"do": fault, "match": "POST /2010-04-01/Accounts", "times": 2, "seconds": 0.1}
            )
            contact = await accept(ann)
            await in_conference(desk, call, contact)
            assert await settled(desk) == ["confirmed"]
            answered = [entry["status"] for entry in posts(desk, call)]
            assert answered[0] == {"too_many": 429, "error": 500}[fault]
            assert answered.count(200) <= 1, "done once: by us, or by the caller's own waiting loop meanwhile"


async def test_one_slow_answer_delays_no_other_caller(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        for login in ("ann", "bob"):
            await add_agent(desk, login)
        async with console(desk, "ann") as ann, console(desk, "bob") as bob:
            slow = await desk.call("+14155550100")
            slow_contact = (await ann.offer())["interaction_id"]
            rule = {"do": "slow", "match": "POST /2010-04-01/Accounts", "times": 1, "seconds": 4}
            await switch(desk, rule)
            await accept(ann)

            async def asked() -> bool:
                return desk.carrier.exchange.faults.rules == []

            await until(asked, "the slow request is under way")
            other = await desk.call("+14155550200")
            contact = await accept(bob)
            await in_conference(desk, other, contact)
            assert (await desk.leg(slow))["conference"] is None, "the other caller did not wait for this one"
            await in_conference(desk, slow, slow_contact)
            assert await settled(desk) == ["confirmed", "confirmed"]


async def test_lost_status_messages_are_found_out_by_the_sweep(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            await switch(desk, {"do": "drop", "match": "/status"}, {"do": "drop", "match": "/conference"})
            call = await desk.call("+14155550100")
            contact = (await ann.offer())["interaction_id"]

            async def waits() -> bool:
                return bool((await desk.leg(call))["status"] == "in-progress")

            await until(waits, "the carrier has our answer: before that, hanging up is not answering")
            await desk.control("POST", f"/calls/{call}/hangup", {})

            async def lost() -> bool:
                return any(
                    entry.get("fault") == "drop"
                    for entry in desk.carrier.exchange.record.after(0, 10_000, "webhook")
                )

            await until(lost, "the status message is lost")
            assert (await row_of(desk.desk, schema.interaction, contact))["ended_at"] is None
            assert desk.parts is not None
            assert desk.parts.outbox is not None
            lease = SoleLease("sweep", desk.desk, "nod_test")
            await CallSweep(desk.desk, lease, desk.parts.outbox._phones).sweep(0)
            row = await row_of(desk.desk, schema.interaction, contact)
            assert (row["state"], row["end_reason"]) == ("ended", "customer_hung_up")

            async def silent() -> bool:
                return not ann.state["offers"]

            await until(silent, "the bell stops")


async def test_lost_join_messages_do_not_tear_two_people_apart(db_url: str, tmp_path: Path) -> None:
    async with world(db_url, tmp_path, config={**CONFIG, "connect_s": 5}) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            await switch(desk, {"do": "drop", "match": "/conference"})
            call = await desk.call("+14155550100")
            await ann.offer()
            contact = await accept(ann)
            await ann.take_call(contact)
            await in_conference(desk, call, contact)
            await ann.interaction(contact, "active")
            await in_conference(desk, call, contact)
            effects = await rows_of(desk.desk, schema.effect)
            assert [row["kind"] for row in effects] == ["connect_call"], "nobody was put back"


async def test_a_softphone_that_never_came_is_told_from_a_lost_message(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with world(sqlite_url, tmp_path, config={**CONFIG, "connect_s": 5}) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            await switch(desk, {"do": "drop", "match": "/conference"})
            await desk.call("+14155550100")
            await ann.offer()
            contact = await accept(ann)

            async def back_in_line() -> bool:
                return bool((await row_of(desk.desk, schema.interaction, contact))["state"] == "queued")

            await until(back_in_line, "the caller is back in line")
