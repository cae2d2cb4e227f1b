"""Drafts: no old copy takes the place of newer words, and nobody but the owner or a supervisor throws one away."""

from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.web.world import Caller, World


async def kept(caller: Caller, path: str, text: str, version: int) -> int:
    """Keep these words; the draft's new version."""
    answer = await caller.post(path, {"text": text, "version": version})
    assert answer.status == 200, answer.body
    found: int = answer.json()["version"]
    return found


async def test_an_old_copy_does_not_overwrite_newer_words(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    path = f"/api/v1/interactions/{await world.served(ada, await world.chat())}/draft"
    first = await kept(ada, path, "one", 0)
    second = await kept(ada, path, "one two", first)
    for old in (0, first):
        refused = await ada.post(path, {"text": "an old copy", "version": old})
        assert (refused.status, refused.code) == (412, "stale_version")
        assert refused.json()["current"]["body"]["text"] == "one two"
    late = await ada.delete(path, version=first)
    assert (late.status, late.json()["current"]["version"]) == (412, second)
    assert (await ada.get(path)).json()["body"]["text"] == "one two"
    assert (await ada.delete(path)).status == 428
    assert (await ada.delete(path, version=second)).status == 204


async def test_what_was_discarded_is_never_taken_for_what_comes_after(world: World) -> None:
    ada = await world.person("ada")
    await world.ready(ada)
    contact = await world.served(ada, await world.chat())
    path = f"/api/v1/interactions/{contact}/draft"
    nothing = await ada.get(path)
    assert (nothing.status, nothing.json()["version"], nothing.json()["body"]["text"]) == (200, 0, "")
    old = await kept(ada, path, "before", 0)
    assert (await ada.delete(path, version=old)).status == 204
    assert (await ada.get(path)).json() == nothing.json()
    refused = await ada.post(path, {"text": "before, and more", "version": old})
    assert (refused.status, "current" in refused.json()) == (412, False)
    row = await world.row(schema.draft, contact)
    assert row["body"] == {}, "no words are left"
    new = await kept(ada, path, "after", 0)
    assert new > old


def left_by(tx: Tx, interaction_id: str, agent_id: str) -> None:
    """Somebody began an answer before the contact went back to its queue."""
    row = {"interaction_id": interaction_id, "author_id": agent_id, "at": tx.now, "version": 1}
    tx.add(schema.draft, {**row, "body": {"text": "half a sentence"}})


async def test_at_whom_it_merely_rings_cannot_throw_it_away(world: World) -> None:
    ada, bob, sue = (
        await world.person("ada"),
        await world.person("bob"),
        await world.person("sue", "supervisor"),
    )
    for caller in (ada, bob):
        await world.ready(caller)
    contact = await world.chat()
    path = f"/api/v1/interactions/{contact}/draft"
    await world.offer(contact, bob)
    await world.desk.run(left_by, contact, ada.agent_id)
    version = 1
    assert (await bob.get(path)).status == 200, "it does ring at them"
    refused = await bob.delete(path, version=version)
    assert (refused.status, refused.code) == (403, "forbidden")
    assert (await bob.post(path, {"text": "x", "version": version})).status == 409
    assert (await sue.get(path)).json()["body"]["text"] == "half a sentence"
    assert (await sue.delete(path, version=version)).status == 204
