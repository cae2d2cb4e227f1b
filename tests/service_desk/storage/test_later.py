"""Statements that are kept for the next wait, and questions that are asked ahead: nobody may notice, but by speed."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from service_desk.desk import Desk
from service_desk.domain.events import CustomerCreated
from service_desk.errors import Conflict
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.statements import by_key
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen, Row, StaleRow, Tx, locked
from tests.service_desk.people import make_agent, rows_of

AGENT = schema.agent
COMPANY = schema.company
_NAMED = Prepared(sa.select(AGENT.c.id).where(AGENT.c.name == sa.bindparam("name")))


async def agent_row(desk: Desk, agent_id: str) -> dict[str, Any]:
    row = await desk.read(lambda reader: reader.get(AGENT, agent_id))
    assert row is not None
    return dict(row)


async def test_a_version_that_moved_is_told_before_the_commit(plain: Desk) -> None:
    ann = await make_agent(plain, "ann")
    old = await agent_row(plain, ann)
    runs = []

    def late(tx: Tx) -> Row:
        runs.append(1)
        row: Any = {**old, "version": old["version"] - 1} if len(runs) < 3 else tx.get(AGENT, ann)
        changed = tx.change(AGENT, row, name=f"run {len(runs)}")
        tx.emit(CustomerCreated(f"run {len(runs)}"))
        return changed

    assert (await plain.run(late))["name"] == "run 3"
    assert len(runs) == 3, "in the group, alone, and alone again"
    assert (await agent_row(plain, ann))["version"] == old["version"] + 1
    told = await rows_of(plain, schema.event, kind="customer.created")
    assert [row["subject"] for row in told] == ["run 3"]


async def test_a_lost_race_comes_before_a_refusal(plain: Desk) -> None:
    """Who refuses after it changed a row of yesterday has judged by it: it is asked again."""
    ann = await make_agent(plain, "ann")
    old = await agent_row(plain, ann)
    runs = []

    def refuses(tx: Tx) -> str:
        runs.append(1)
        if len(runs) < 3:
            tx.change(AGENT, {**old, "version": 99}, name="nobody")  # type: ignore[arg-type]  # a dict reads like a row
            raise Conflict("no")
        return "yes"

    assert await plain.run(refuses) == "yes"


async def test_what_a_connection_prepares_no_more_answers_alike(
    plain: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several in one go, each with its own rows, and one that is asked meanwhile."""
    ann, bob = await make_agent(plain, "ann"), await make_agent(plain, "bob")
    monkeypatch.setattr("service_desk.storage.straight.NAMES_MOST", 0)
    by_id, by_login = (
        Prepared(sa.select(AGENT.c.name).where(column == sa.bindparam("value")))
        for column in (AGENT.c.id, AGENT.c.login)
    )

    def act(tx: Tx) -> list[list[Row]]:
        return tx.together((by_id, {"value": ann}), (by_login, {"value": "bob"}), (by_id, {"value": bob}))

    names = [[row["name"] for row in rows] for rows in await plain.run(act)]
    assert names == [["Ann"], ["Bob"], ["Bob"]]

    def look(reader: Reader) -> list[str]:
        asked = by_id.meanwhile(reader._driver, {"value": ann})
        (other,) = reader.all(by_login, {"value": "bob"})
        return [*(row["name"] for row in asked()), other["name"]]

    assert await plain.read(look) == ["Ann", "Bob"]


async def test_a_key_that_is_taken_is_told(plain: Desk) -> None:
    def add(tx: Tx) -> None:
        tx.add(COMPANY, {"id": "c1", "name": "one"})

    await plain.run(add)
    outcomes = await asyncio.gather(
        plain.run(add),
        plain.run(lambda tx: tx.add(COMPANY, {"id": "c2", "name": "two"}) and None),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [IntegrityError, type(None)]
    assert {row["id"] for row in await rows_of(plain, COMPANY)} == {"c1", "c2"}


async def test_what_was_kept_is_there_for_every_kind_of_reading(plain: Desk) -> None:
    ann = await make_agent(plain, "ann")

    def change(tx: Tx) -> list[Any]:
        tx.update(AGENT, ann, name="prepared")
        seen = [tx.get(AGENT, ann)["name"]]  # type: ignore[index]  # it is there
        tx.update(AGENT, ann, name="written by SQLAlchemy")
        seen.append(tx.scalar(sa.select(AGENT.c.name).where(AGENT.c.id == ann)))
        tx.update(AGENT, ann, name="together")
        rows, ids = tx.together((by_key(AGENT), {"key": ann}), (_NAMED, {"name": "together"}))
        return [*seen, rows[0]["name"], [row["id"] for row in ids]]

    assert await plain.run(change) == ["prepared", "written by SQLAlchemy", "together", [ann]]
    assert (await agent_row(plain, ann))["name"] == "together", "the last one is committed"


async def test_what_was_foreseen_follows_what_is_written(plain: Desk) -> None:
    ann, bob = await make_agent(plain, "ann"), await make_agent(plain, "bob")

    def ask(tx: Tx) -> list[Any]:
        tx.foresee(
            locked(AGENT, ann),
            locked(AGENT, bob),
            Foreseen(by_key(AGENT), {"key": ann}),
            Foreseen(_NAMED, {"name": "new"}),
        )
        tx.update(AGENT, ann, name="new")
        return [
            tx.get_for_update(AGENT, ann)["name"],  # type: ignore[index]  # it is there
            tx.get(AGENT, ann)["name"],  # type: ignore[index]  # it is there
            tx.scalar(_NAMED, {"name": "new"}),
            tx.get_for_update(AGENT, bob)["id"],  # type: ignore[index]  # it is there
            tx.get_for_update(AGENT, "agt_nobody"),
        ]

    assert await plain.run(ask) == ["new", "new", ann, bob, None]


@pytest.mark.postgres
async def test_an_answer_that_was_foreseen_is_given_once(plain: Desk) -> None:
    """Another's commit in between is seen by who asks again without a lock."""
    if plain.store.dialect == "sqlite":
        pytest.skip("SQLite has one writer")
    ann = await make_agent(plain, "ann")

    def ask(tx: Tx) -> list[Any]:
        question = Foreseen(by_key(AGENT), {"key": ann})
        tx.foresee(question)
        with plain.store._readers.connect() as other:
            other.execution_options(isolation_level="AUTOCOMMIT").execute(
                sa.update(AGENT).where(AGENT.c.id == ann).values(name="other")
            )
        return [tx.get(AGENT, ann)["name"] for _ in range(2)]  # type: ignore[index]  # it is there

    first, second = await plain.run(ask)
    assert (first != "other", second) == (True, "other")


async def test_stale_rows_forever_are_a_refusal(plain: Desk) -> None:
    def never(tx: Tx) -> None:
        tx.send(_RENAME, {"this_key": "agt_nobody", "new_name": "x"}, lost="agent agt_nobody")

    with pytest.raises(Exception, match="cannot take this now") as caught:
        await plain.run(never)
    assert isinstance(caught.value.__cause__, StaleRow)


_RENAME = Prepared(
    sa.update(AGENT)
    .where(AGENT.c.id == sa.bindparam("this_key"))
    .values(name=sa.bindparam("new_name", type_=AGENT.c.name.type))
)
