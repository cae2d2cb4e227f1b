"""`service-desk replay`: explanations from the real log of a real desk, on both databases."""

import asyncio
import json
import random
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from service_desk.audit.explain import Explanation, explain
from service_desk.audit.explained import text
from service_desk.cli import main
from service_desk.errors import Conflict, NotFound
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.dispatch.floor import Floor, floor
from tests.service_desk.dispatch.test_callbacks import (
    AGENT_FIRST,
    CUSTOMER_FIRST,
    asked,
    dan_is_busy,
    fares,
    passes,
)
from tests.service_desk.dispatch.test_rules import only_sales, publish
from tests.service_desk.people import rows_of


async def explained(place: Floor, subject: str) -> Explanation:
    found: Explanation = await place.desk.read(explain, subject)
    return found


async def test_an_offer_is_explained_after_restarts_and_long_after_it_was_made(db_url: str) -> None:
    dice = random.Random(11)
    async with floor(db_url) as place:
        for _ in range(2):
            place.start()
            await place.settle()
            name = await place.call()
            await place.settle()
            for _ in range(8):
                await place.act_at_random(dice)
                await place.settle()
                await place.advance(1)
            if (await place.contact(name))["state"] == "offered":
                await place.accept(name)
            await place.stop()
        offers = await rows_of(place.desk, schema.offer)
        assert len(offers) > 2
        sinces = set()
        for offer in offers:
            found = await explained(place, offer["id"])
            assert found.differences == ()
            assert found.moment is not None
            assert found.moment.offer is not None
            assert found.moment.offer.agent == offer["agent_id"]
            assert found.moment.because == offer["because"]
            assert found.outcome is not None
            assert found.outcome.startswith(offer["state"])
            sinces.add(found.since)
        assert len(sinces) == 2, "from both of the router's lives"


def run(monkeypatch: pytest.MonkeyPatch, url: str, *arguments: str) -> Result:
    monkeypatch.setenv("SERVICE_DESK_DATABASE_URL", url)
    return CliRunner().invoke(main, ["replay", *arguments])


async def waiting_call(place: Floor) -> tuple[str, str]:
    """(one that was offered to ann and is with her, one that waits because nobody is left)."""
    place.start()
    await place.settle()
    first = place.names[await place.call()]
    await place.settle()
    await place.accept("C1")
    for login in ("bob", "dan"):
        await place.say(login, "away")
    await place.settle()
    second = place.names[await place.call()]
    await place.advance(5)
    await place.stop()
    return first, second


async def test_the_command_says_why_this_agent_why_it_waits_and_why_not_me(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with floor(sqlite_url) as place:
        first, second = await waiting_call(place)
    said = run(monkeypatch, sqlite_url, "--explain", f"{first}.1")
    assert said.exit_code == 0, said.output
    assert "was offered to ann" in said.stdout
    assert "3 could have it" in said.stdout
    assert "does not serve service" in said.stdout, "cyd sells"
    assert "Recomputed equals recorded" in said.stdout
    said = run(monkeypatch, sqlite_url, "--explain", second)
    assert "waiting in service" in said.stdout
    assert "0 could have it" in said.stdout
    assert "bob  away (break)" in said.stdout
    assert "ann  no room beside 1 phone" in said.stdout
    said = run(monkeypatch, sqlite_url, "--explain", second, "--agent", "cyd")
    assert "cyd could not have it: does not serve service." in said.stdout
    said = run(monkeypatch, sqlite_url, "--explain", f"{first}.1", "--agent", "bob")
    assert "bob could have had it: number 2 of 3 by longest_idle" in said.stdout
    told = json.loads(run(monkeypatch, sqlite_url, "--explain", f"{first}.1", "--json").stdout)
    assert told["recomputed_equals_recorded"] is True
    assert [each["agent"] for each in told["moment"]["candidates"]] == ["ann", "bob", "dan"]
    assert run(monkeypatch, sqlite_url).stdout.startswith("Recomputed equals recorded")
    again = json.loads(run(monkeypatch, sqlite_url, "--explain", first, "--json").stdout)
    assert again["moment"]["offer"]["id"] == f"{first}.1", "what waits no more is explained by its last offer"


async def test_a_callback_is_explained_by_what_it_waits_for_and_until_when(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    async with floor(sqlite_url) as place:
        await only_sales(place)
        await publish(place, callback={**CUSTOMER_FIRST, "lasts_h": 2})
        name = await asked(place)
        said.append(await text_of(place, name))
        await dan_is_busy(place)
        said.append(await text_of(place, name))
        await fares(place, name, "busy")
        said.append(await text_of(place, name))
        await publish(place, callback={**AGENT_FIRST, "lasts_h": 2})
        await passes(place, 61)
        async with asyncio.timeout(10):  # the router's tick is on its way into the log
            while "rests until its next try" in (offered := await text_of(place, name)):
                await asyncio.sleep(0.01)
        said.append(offered)
    sleeps, dialled, rests, offered = said
    assert "bob  a callback whose turn is not near" in sleeps
    assert "bob  its customer is being called" in dialled
    assert "bob  a callback that rests until its next try" in rests
    for waits in (sleeps, rests, offered):
        assert "the promise to call them lasts until 2023-11-15 00:13" in waits
    assert "bob  away (break)" in offered, "and nothing about callbacks"


async def text_of(place: Floor, name: str) -> str:
    return text(await explained(place, place.names[name]), place.names)


async def test_a_log_that_says_otherwise_is_told_with_an_exit_code(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with floor(sqlite_url) as place:
        first, second = await waiting_call(place)

        def forge(tx: Tx) -> None:
            step = schema.dispatch_step
            for row in tx.all(sa.select(step).order_by(step.c.seq)):
                decisions: list[Any] = row["decisions"]
                if decisions and decisions[0]["kind"] == "OfferMade":
                    decisions[0]["because"]["candidates"] = 7
                    tx.write(sa.update(step).where(step.c.seq == row["seq"]).values(decisions=decisions))

        await place.desk.run(forge)
    for arguments in (["--explain", f"{first}.1"], ["--explain", second], []):
        said = run(monkeypatch, sqlite_url, *arguments)
        assert said.exit_code == 1, said.output
        assert "gives OfferMade, recorded are OfferMade" in said.output


async def test_what_cannot_be_explained_is_refused_in_words(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with floor(sqlite_url) as place:
        contact = place.names[await place.call()]
        with pytest.raises(NotFound, match="No router has run"):
            await explained(place, contact)
        await place.hang_up("C1")
        with pytest.raises(Conflict, match="never offered"):
            await explained(place, contact)
        for unknown in ("nothing", "nothing.1", f"{contact}.9"):
            with pytest.raises(NotFound):
                await explained(place, unknown)
    assert run(monkeypatch, sqlite_url, "--explain", contact, "--agent", "zoe").exit_code == 1
    assert run(monkeypatch, sqlite_url, "--agent", "ann").exit_code == 2
