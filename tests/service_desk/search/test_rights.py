"""Nobody finds what they may not read, and everybody finds what they may."""

from typing import Any

import pytest

from service_desk.actions import tickets
from service_desk.domain.access import ROLES
from tests.service_desk.search.library import do, index_now, indexing, is_right, noted, somebody, until
from tests.service_desk.web.world import Caller, World

WORD = "zebracrossing"


async def found(caller: Caller, kind: str = "", q: str = WORD) -> dict[str, list[str]]:
    answer = await caller.get(f"/api/v1/search?q={q}{f'&kind={kind}' if kind else ''}")
    assert answer.status == 200, answer.body
    return {group["kind"]: [hit["id"] for hit in group["items"]] for group in answer.json()["groups"]}


async def all_kinds(world: World) -> tuple[str, str]:
    """A thing of each kind that has the word: (contact, note on a case)."""
    await do(world.desk, somebody, "Vera Sample", mail=f"{WORD}@example.org")
    interaction = await world.chat(f"Where is the {WORD}?")
    await world.desk.run(noted, interaction, "agt_1", f"about the {WORD}")
    case = await world.ticket(subject=f"The {WORD}")
    note_id = await world.desk.run(tickets.note_ticket, case["id"], "agt_1", f"no {WORD} here", "k")
    return interaction, note_id


async def test_a_contact_is_found_by_its_agent_by_whom_it_rings_at_and_by_supervisors(world: World) -> None:
    ada, bob, sue = (
        await world.person("ada"),
        await world.person("bob"),
        await world.person("sue", "supervisor"),
    )
    for caller in (ada, bob):
        await world.ready(caller)
    interaction, note_id = await all_kinds(world)
    await index_now(world.desk)
    everything = await found(sue)
    assert set(everything) == {"customer", "ticket", "message", "note"}
    assert len(everything["note"]) == 2
    public = {**{kind: everything[kind] for kind in ("customer", "ticket")}, "note": [note_id]}
    assert await found(ada) == public
    assert await found(bob) == public
    offer_id = await world.offer(interaction, ada)
    assert await found(ada) == everything
    assert await found(bob) == public
    await ada.post(f"/api/v1/offers/{offer_id}/accept")
    await index_now(world.desk)
    assert await found(ada) == everything
    assert await found(bob) == public


async def test_search_and_pages_agree(world: World) -> None:
    ada, sue = await world.person("ada"), await world.person("sue", "supervisor")
    await world.ready(ada)
    mine = await world.served(ada, await world.chat(f"my {WORD}"))
    other = await world.chat(f"their {WORD}")
    await index_now(world.desk)
    for caller in (ada, sue):
        answer = await caller.get(f"/api/v1/search?q={WORD}&kind=message")
        seen = {hit["interaction_id"] for group in answer.json()["groups"] for hit in group["items"]}
        readable = {
            each for each in (mine, other) if (await caller.get(f"/api/v1/interactions/{each}")).status == 200
        }
        assert seen == readable


async def test_the_row_decides_while_the_index_is_behind(world: World) -> None:
    """A contact changed hands and nobody has indexed it yet."""
    ada, bob = await world.person("ada"), await world.person("bob")
    for caller in (ada, bob):
        await world.ready(caller)
    interaction = await world.served(ada, await world.chat(f"a {WORD}"))
    assert (await ada.post(f"/api/v1/interactions/{interaction}/end")).status == 200
    done = await ada.post(f"/api/v1/interactions/{interaction}/wrap-up", {"disposition": "solved"})
    assert done.status == 200
    await index_now(world.desk)
    assert set(await found(ada)) == {"message"}
    await world.desk.run(_give, interaction, bob.agent_id)
    assert await found(ada) == {}
    await world.desk.run(noted, interaction, bob.agent_id, "taken over")
    async with indexing(world.desk):
        await until(lambda: is_right(world.desk))
    assert await found(ada) == {}
    assert set(await found(bob)) == {"message"}


def _give(tx: Any, interaction_id: str, agent_id: str) -> None:
    from service_desk.actions.interactions import must_get
    from service_desk.storage import schema

    tx.change(schema.interaction, must_get(tx, interaction_id), agent_id=agent_id)


async def test_kinds_need_their_permission(quick_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await quick_world.person("ada")
    await all_kinds(quick_world)
    await index_now(quick_world.desk)
    monkeypatch.setitem(ROLES, "agent", frozenset({"ticket.read"}))
    assert set(await found(ada)) == {"ticket", "note"}
    refused = await ada.get(f"/api/v1/search?q={WORD}&kind=customer")
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_bad_requests_name_their_field(quick_world: World) -> None:
    ada = await quick_world.person("ada")
    for query, field in {
        "": "q",
        "q=": "q",
        "q=x&kind=agent": "kind",
        "q=x&kind=ticket&cursor=1": "cursor",
        "q=x&kind=ticket&cursor=9.1": "cursor",
        "q=x&limit=1": "limit",
    }.items():
        refused = await ada.get(f"/api/v1/search?{query}")
        assert (refused.status, refused.json()["field"]) == (422, field), query
    assert (await ada.get("/api/v1/search?q=x&cursor=1.1")).status == 422
    assert (await quick_world.stranger.get("/api/v1/search?q=x")).status == 401
