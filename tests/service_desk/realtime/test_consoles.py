"""Consoles' sockets: what arrives, what is told after a gap, who is cut, and what an agent's leaving means."""

import asyncio
import contextlib
import itertools
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import sqlalchemy as sa

from service_desk.actions import sockets
from service_desk.domain import access
from service_desk.domain.views import LIVE_SCHEMA, DropView, FrameView, PutView
from service_desk.errors import Unavailable
from service_desk.queries import live
from service_desk.queries.alerts import alerts_now
from service_desk.queries.catch_up import catch_up
from service_desk.realtime import engine, server
from service_desk.realtime.server import REPLAY_EVENTS, Connected, LiveServer
from service_desk.storage import schema
from tests.e2e.console import Console, console
from tests.e2e.world import World, add_agent, until, world
from tests.service_desk import reducer
from tests.service_desk.conftest import CONFIG
from tests.service_desk.people import row_of, rows_of
from tests.service_desk.realtime.raw import deaf, raw

QUICK = {**CONFIG, "lost_s": 1, "reclaim_s": 5}


def consoles(desk: World) -> LiveServer:
    assert desk.parts is not None
    assert desk.parts.consoles is not None
    return desk.parts.consoles


async def served_call(desk: World, ann: Console, caller: str = "+14155550100") -> str:
    """A call that Ann took and talks on."""
    await desk.call(caller)
    offer = await ann.offer()
    contact = str(offer["interaction_id"])
    await ann.ask("POST", f"/offers/{offer['id']}/accept", {})
    await ann.take_call(contact)
    await ann.interaction(contact, "active")
    return contact


async def note(ann: Console, contact: str, text: str) -> None:
    await ann.ask("POST", f"/interactions/{contact}/notes", {"text": text})


async def same_as_snapshot(desk: World, one: Console) -> None:
    """Wait until the console shows what a fresh snapshot shows."""

    async def same() -> bool:
        fresh = (await desk.desk.read(live.snapshot, one.agent_id)).model_dump(mode="json")
        return reducer.comparable(one.state) == reducer.comparable(fresh)

    await until(same, "the console shows what is", within_s=10)


# --- what arrives ---------------------------------------------------------------------------------------------


async def test_replay_leads_to_the_same_state_as_a_snapshot(db_url: str, tmp_path: Path) -> None:
    async with world(db_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            states = [ann.state]
            contact = await served_call(desk, ann)
            for number in range(5):
                await note(ann, contact, f"note {number}")
                await same_as_snapshot(desk, ann)
                states.append(ann.state)
            await ann.ask("POST", f"/interactions/{contact}/end", {})
            await same_as_snapshot(desk, ann)
            for before in states:

                async def agrees(before: dict[str, Any] = before) -> bool:
                    answer = await ann.io.call("replay", {"after": before["position"]})
                    after = reducer.apply(before, answer["frame"])
                    return reducer.comparable(after) == reducer.comparable(ann.state)

                await until(agrees, "the replay leads to what the console shows", within_s=10)
            ahead = await ann.io.call("replay", {"after": ann.state["position"] + 1_000})
            assert set(ahead) == {"snapshot"}
            for nonsense in (0, -5, 10**30, "7", None, True, 1.5, [1]):
                answer = await ann.io.call("replay", {"after": nonsense})
                assert set(answer) == {"snapshot"}, nonsense
            assert await ann.io.call("replay", ({"after": 1}, "more", {"than": "asked"}))


async def test_one_whose_state_cannot_be_read_keeps_nobody_else_out(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come together, so they are welcomed together; nobody stays connected and blind."""
    async with world(sqlite_url, tmp_path) as desk:
        poisoned = await add_agent(desk, "eve")
        await add_agent(desk, "ann")

        def fails_for_eve(reader: Any, wanted: Any, furthest: int) -> Any:
            if poisoned in {agent_id for agent_id, _ in wanted.values()}:
                raise KeyError("planted")
            return catch_up(reader, wanted, furthest)

        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            await Console(desk, http).sign_in("eve")
            monkeypatch.setattr(server, "catch_up", fails_for_eve)
            async with raw(desk, http=http) as eve:
                await eve.sign_in()
                async with console(desk, "ann") as ann:
                    assert ann.state["position"] > 0
                    await asyncio.wait_for(eve.closed.wait(), 10)
                    assert consoles(desk).agents == {ann.agent_id}


async def test_a_closed_socket_is_noted_once_the_database_is_back(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "AGAIN_S", 0.05)
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        closed, tries = sockets.closed, itertools.count()

        def away(tx: Any, sids: Any) -> None:
            if next(tries) < 2:
                raise Unavailable("The database cannot take this now.")
            closed(tx, sids)

        monkeypatch.setattr(sockets, "closed", away)
        async with console(desk, "ann"):
            assert len(await rows_of(desk.desk, schema.connection)) == 1

        async def noted() -> bool:
            return not await rows_of(desk.desk, schema.connection)

        await until(noted, "the socket's row is gone")
        assert next(tries) >= 3


async def test_too_far_behind_gets_the_whole(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REPLAY_EVENTS", 10)
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            position = ann.state["position"]
            contact = await served_call(desk, ann)
            near = await ann.io.call("replay", {"after": position})
            assert set(near) == {"snapshot"}, "more than ten events"
            position = await desk.desk.read(live.head)
            await note(ann, contact, "a few")
            assert set(await ann.io.call("replay", {"after": position})) == {"frame"}
            async with raw(desk, http=ann._http) as again:
                await again.sign_in({"schema": LIVE_SCHEMA, "position": position})
                await again.hear('42["frame"')
            async with raw(desk, http=ann._http) as again:
                await again.sign_in({"schema": LIVE_SCHEMA, "position": 1})
                await again.hear('42["snapshot"')
    assert REPLAY_EVENTS >= 100


async def test_a_log_that_no_longer_reaches_back_gives_the_whole(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            position = ann.state["position"]
            await served_call(desk, ann)
            event = schema.event

            def archive(tx: Any) -> int:
                return int(tx.write(sa.delete(event).where(event.c.position <= position + 2)))

            await desk.desk.run(archive)
            assert set(await ann.io.call("replay", {"after": position})) == {"snapshot"}


async def test_what_happens_while_the_first_state_is_read_is_not_missed(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frame of it is there before the snapshot: a console without a state could do nothing with it."""
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            read = desk.desk.read
            meanwhile: list[str] = []

            async def slowly(query: Any, *args: Any, **more: Any) -> Any:
                answer = await read(query, *args, **more)
                if query is catch_up and not meanwhile:
                    meanwhile.append("call")
                    await desk.call("+14155550100")
                    await ann.offer()
                return answer

            monkeypatch.setattr(desk.desk, "read", slowly)
            second = Console(desk, ann._http)
            second.agent_id = ann.agent_id
            await second.connect()
            await second.offer()
            await same_as_snapshot(desk, second)
            assert second.gaps == 0
            await second.io.disconnect()


async def test_two_tabs_of_one_agent_show_the_same(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path, config=QUICK) as desk:
        agent = await add_agent(desk, "ann")
        async with console(desk, "ann") as ann, console(desk, "ann") as other:
            contact = await served_call(desk, ann)
            await other.interaction(contact, "active")
            await note(other, contact, "from the other tab")
            for tab in (ann, other):
                await same_as_snapshot(desk, tab)
                assert tab.gaps == 0
            await other.io.disconnect()

            async def one_left() -> bool:
                return len(await rows_of(desk.desk, schema.connection)) == 1

            await until(one_left, "one socket is left")
            assert await rows_of(desk.desk, schema.timer, kind="agent_lost") == []
            assert (await row_of(desk.desk, schema.agent, agent))["lost_at"] is None
            await note(ann, contact, "still here")
            await same_as_snapshot(desk, ann)


async def test_one_agent_has_so_many_sockets_and_no_more(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SOCKETS_PER_AGENT", 2)
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann, raw(desk, http=ann._http) as second:
            assert (await second.sign_in()).startswith("40")
            async with raw(desk, http=ann._http) as third:
                assert "busy" in await third.sign_in()
            await second.close()

            async def room() -> bool:
                return len(consoles(desk)._by_sid) == 1

            await until(room, "the second one is gone")
            async with raw(desk, http=ann._http) as fourth:
                assert (await fourth.sign_in()).startswith("40")


async def test_a_fault_in_the_fan_out_leaves_nobody_behind(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            told: list[str] = []

            async def ask_again(_body: Any) -> None:
                told.append("resync")
                answer = await ann.io.call("replay", {"after": ann.state["position"]})
                ann.state = answer.get("snapshot") or reducer.apply(ann.state, answer["frame"])

            ann.io.on("resync", ask_again)
            send = consoles(desk).send_frame
            broken: list[int] = []

            async def breaks_once(agent_id: str, frame: FrameView) -> None:
                if not broken:
                    broken.append(frame.position)
                    raise ZeroDivisionError
                await send(agent_id, frame)

            monkeypatch.setattr(consoles(desk), "send_frame", breaks_once)
            await desk.call("+14155550100")
            await ann.offer()
            assert told == ["resync"]
            await same_as_snapshot(desk, ann)


# --- who is cut -----------------------------------------------------------------------------------------------


def big_frame(number: int) -> FrameView:
    """50 kB that change nothing."""
    return frame_of(f"filler-{number}", "x" * 50_000)


def frame_of(key: str, words: str = "") -> FrameView:
    """One that changes nothing: the client ignores what is behind its position."""
    me = {key: words}
    return FrameView.model_construct(
        prev=0,
        position=0,
        events=[],
        put=PutView.model_construct(**{**PutView().model_dump(), "me": me}),
        drop=DropView(),
    )


STUCK, SOCKETS, OTHERS = 5, 60, 50


async def test_five_of_sixty_that_do_not_read_are_cut_and_the_others_get_everything(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ann has ten consoles, of which five read nothing, and Ben has fifty: all of them on sockets of their own."""
    monkeypatch.setattr(server, "SOCKETS_PER_AGENT", OTHERS)
    async with world(sqlite_url, tmp_path) as desk, contextlib.AsyncExitStack() as open_now:
        await add_agent(desk, "ann")
        await add_agent(desk, "ben")
        ann = await open_now.enter_async_context(console(desk, "ann"))
        ben = await open_now.enter_async_context(console(desk, "ben"))
        await ben.set_state("away", "break")
        here = consoles(desk)
        reading = [
            await open_now.enter_async_context(raw(desk, http=one._http))
            for one, sockets in ((ann, SOCKETS - OTHERS - STUCK), (ben, OTHERS))
            for _ in range(sockets - 1)
        ]
        for tab in reading:
            await tab.sign_in()
        stuck = [await deaf(desk, ann) for _ in range(STUCK)]

        async def all_in() -> bool:
            return len(here._by_sid) == SOCKETS and not here._arriving

        await until(all_in, "all sockets with their first state", within_s=10)
        sent = 0
        while len(here._by_sid) > SOCKETS - STUCK:
            await here.send_frame(ann.agent_id, big_frame(sent))
            await here.send_frame(ben.agent_id, frame_of(f"small-{sent}"))
            sent += 1
            assert sent < 400, "they are never cut"
            await asyncio.sleep(0)  # the writers of the others must have their turn

        async def everything() -> bool:
            return all(tab.count("frame") >= sent for tab in reading)

        await until(everything, "those who read have all of it")
        assert [tab for tab in reading if tab.closed.is_set()] == []
        assert len(here._by_sid) == SOCKETS - STUCK
        await asyncio.gather(*(each.ended(within_s=10) for each in stuck))
        assert len(here.io.eio.sockets) == SOCKETS - STUCK
        contact = await served_call(desk, ann)
        await note(ann, contact, "undisturbed")
        await same_as_snapshot(desk, ann)

        async def forgotten() -> bool:
            return len(await rows_of(desk.desk, schema.connection)) == SOCKETS - STUCK

        await until(forgotten, "the desk knows that they are gone")
        for each in stuck:
            await each.close()


async def test_a_stuck_client_does_not_hold_up_the_end(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            stuck = await deaf(desk, ann)
            for number in range(15):
                await consoles(desk).send_frame(ann.agent_id, big_frame(number))
            leaving = time.monotonic()
    assert time.monotonic() - leaving < 8
    await stuck.close()


async def test_one_that_stops_answering_pings_is_gone_soon(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network just went silent: nobody closed anything. With the real times it takes at most 10 s."""
    assert engine.PING_INTERVAL_S + engine.PING_TIMEOUT_S <= 10
    monkeypatch.setattr(engine, "PING_INTERVAL_S", 0.3)
    monkeypatch.setattr(engine, "PING_TIMEOUT_S", 0.3)
    async with world(sqlite_url, tmp_path, config=QUICK) as desk:
        agent = await add_agent(desk, "ann")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            ann = Console(desk, http)
            await ann.sign_in("ann")
            async with raw(desk, http=http) as silent:
                silent.answers_pings = False
                await silent.sign_in()
                await silent.hear('42["snapshot"')

                async def lost() -> bool:
                    return (await row_of(desk.desk, schema.agent, agent))["lost_at"] is not None

                await until(lost, "the agent is lost", within_s=10)
                await asyncio.wait_for(silent.closed.wait(), 5)


# --- sessions -------------------------------------------------------------------------------------------------


async def test_a_session_revoked_while_its_socket_opens(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            here = consoles(desk)
            identify = here._who
            asked: list[bool] = []

            async def revoked_right_after(request: Any) -> Any:
                who = await identify(request)
                if not asked:
                    asked.append(True)
                    await ann.ask("DELETE", "/session")
                return who

            monkeypatch.setattr(here, "_who", revoked_right_after)
            async with raw(desk, http=ann._http) as late:
                await late.sign_in()
                await asyncio.wait_for(late.closed.wait(), 5)
                assert late.events("snapshot") == []
            assert here._by_sid == {}


async def test_nothing_is_answered_to_a_session_that_ended_after_the_door(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The door has seen it in force; what is asked right with the connect waits until that was looked at again."""
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "sue", role="supervisor")
        async with console(desk, "sue") as sue:
            here = consoles(desk)
            look, may_look = here._still_signed_in, asyncio.Event()

            async def later(group: list[Connected]) -> list[Connected]:
                await may_look.wait()
                return await look(group)

            monkeypatch.setattr(here, "_still_signed_in", later)
            async with raw(desk, http=sue._http) as late:
                await late.hear("0")
                await sue.ask("DELETE", "/session")
                await late.send("40" + json.dumps({"schema": LIVE_SCHEMA}))
                for number, asked in enumerate(("replay", "watch_board", "watch_floor")):
                    await late.send(f'42{number}["{asked}",{{}}]')
                await late.hear("40")
                may_look.set()
                await asyncio.wait_for(late.closed.wait(), 5)
            answers = [text for text in late.heard if text.startswith("43")]
            assert not any("position" in text or "queues" in text or "contacts" in text for text in answers)
            assert late.events("bye") == [{"reason": "revoked"}]


async def test_one_who_leaves_while_alerts_are_read_costs_the_others_nothing(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "sue", role="supervisor")
        await add_agent(desk, "tom", role="supervisor")
        async with console(desk, "sue") as sue, console(desk, "tom") as tom:
            here, read = consoles(desk), desk.desk.read
            look, may_look = here._still_signed_in, asyncio.Event()
            known = set(here._by_sid)

            async def together(group: list[Connected]) -> list[Connected]:
                await may_look.wait()
                return await look(group)

            monkeypatch.setattr(here, "_still_signed_in", together)
            async with (
                raw(desk, http=sue._http) as first,
                raw(desk, http=sue._http) as leaving,
                raw(desk, http=tom._http) as staying,
            ):
                for each in (first, leaving, staying):
                    await each.sign_in()
                (gone,) = [sid for sid in list(here._by_sid)[-2:-1] if sid not in known]

                async def read_while_one_leaves(query: Any, *args: Any, **more: Any) -> Any:
                    found = await read(query, *args, **more)
                    if query is alerts_now and leaving.count("snapshot"):
                        await leaving.ws.close()
                        await until(lambda: _is_gone(here, gone), "it is gone")
                    return found

                monkeypatch.setattr(desk.desk, "read", read_while_one_leaves)
                may_look.set()
                await staying.hear('42["alerts"')
                assert staying.count("snapshot") == 1
                assert gone not in here._by_sid


async def _is_gone(here: LiveServer, sid: str) -> bool:
    return sid not in here._by_sid


async def test_who_is_cut_off_by_us_does_not_stand_behind_thousands_who_leave(
    sqlite_url: str, tmp_path: Path
) -> None:
    """The fan-out waits for it, and with it everybody's frames."""
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann, raw(desk, http=ann._http) as other:
            await other.sign_in()
            here = consoles(desk)
            leaving = [asyncio.create_task(here.io._leaving.through()) for _ in range(5_000)]
            await asyncio.sleep(0)
            (eio_sid,) = [here.io.manager.eio_sid_from_sid(sid, "/") for sid in list(here._by_sid)[-1:]]
            await here.io.cut_off(eio_sid)
            assert not all(task.done() for task in leaving)
            await asyncio.gather(*leaving)


async def test_one_that_closes_while_it_is_let_in_leaves_nothing(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            here = consoles(desk)
            identify, over = here._who, asyncio.Event()
            letting_in: asyncio.Future[asyncio.Task[Any]] = asyncio.get_running_loop().create_future()
            known = set(here._by_sid)

            async def slowly(request: Any) -> Any:
                task = asyncio.current_task()
                assert task is not None
                letting_in.set_result(task)
                await over.wait()
                return await identify(request)

            monkeypatch.setattr(here, "_who", slowly)
            async with raw(desk, http=ann._http) as hasty:
                await hasty.hear("0")
                await hasty.send("40" + json.dumps({"schema": LIVE_SCHEMA}))
                _ = await letting_in

            async def closed() -> bool:
                return len(here.io.environ) == 1

            await until(closed, "the server has heard that the socket is closed")
            over.set()
            await asyncio.wait([letting_in.result()])

            async def nothing_is_left() -> bool:
                at_work = {sid for sid, _ in here.io.manager.get_participants("/", None)}
                rows = {row["sid"] for row in await rows_of(desk.desk, schema.connection)}
                return set(here._by_sid) == at_work == rows == known

            await until(nothing_is_left, "there is no sign of the socket")


async def test_a_session_whose_time_is_up_loses_its_socket(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "SESSIONS_EVERY", 100_000)
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        await add_agent(desk, "bob")
        async with console(desk, "ann") as ann, console(desk, "bob") as bob:
            goodbyes: list[Any] = []
            ann.io.on("bye", goodbyes.append)
            session = schema.session

            def expire(tx: Any) -> None:
                tx.write(
                    sa.update(session).where(session.c.agent_id == ann.agent_id).values(expires_at=tx.now)
                )

            await desk.desk.run(expire)

            async def closed() -> bool:
                return not ann.io.connected

            await until(closed, "the expired session's socket closes", within_s=5)
            assert goodbyes == [{"reason": "revoked"}]
            assert bob.io.connected


# --- the board ------------------------------------------------------------------------------------------------


async def test_the_board_goes_to_those_who_watch_at_most_once_a_second(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann, console(desk, "ann") as other:
            got: list[tuple[float, dict[str, Any]]] = []
            wrong: list[Any] = []
            ann.io.on("board", lambda board: got.append((time.monotonic(), board)))
            other.io.on("board", wrong.append)

            async def ours() -> bool:
                board = await ann.io.call("watch_board", {})
                return {queue["id"] for queue in board["queues"]} == {"service", "sales"}

            await until(ours, "the board of the configuration that was just published")
            got.clear()
            started = time.monotonic()
            for number in range(12):
                await desk.call(f"+1415555{number:04d}")
                await asyncio.sleep(0.15)

            async def shows_all() -> bool:
                last = got[-1][1]["queues"] if got else []
                return bool(sum(queue["waiting"] for queue in last) == 12)

            await until(shows_all, "the board shows what is")
            seconds = time.monotonic() - started
            assert 1 <= len(got) <= seconds + 2
            assert all(later - earlier > 0.5 for (earlier, _), (later, _) in itertools.pairwise(got))
            assert wrong == []
            await ann.io.emit("unwatch_board", {})
            await ann.io.call("replay", {"after": 1})  # handled after it
            seen = len(got)
            async with console(desk, "ann") as watching:
                boards: list[Any] = []
                watching.io.on("board", boards.append)
                await watching.io.call("watch_board", {})
                await desk.call("+14155559999")

                async def pushed() -> bool:
                    return bool(boards)

                await until(pushed, "who watches gets it")
            assert len(got) == seen, "who stopped watching gets nothing more"


async def test_the_board_needs_its_right(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(access.ROLES, "agent", access.AGENT - {"board.view"})
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            assert await ann.io.call("watch_board", {}) == {"error": "forbidden"}
            assert (await ann.try_("GET", "/board"))[0] == 403, "one rule for both"


# --- coming and going -----------------------------------------------------------------------------------------


async def test_a_clean_close_gives_the_offer_back_and_the_agent_their_place(
    db_url: str, tmp_path: Path
) -> None:
    async with world(db_url, tmp_path, config=QUICK) as desk:
        ann_id = await add_agent(desk, "ann")
        await add_agent(desk, "bob")
        async with console(desk, "ann") as ann:
            await desk.call("+14155550100")
            first = await ann.offer()
            async with console(desk, "bob") as bob:
                left = time.monotonic()
                await ann.io.disconnect()
                second = await bob.offer()
                assert time.monotonic() - left < QUICK["lost_s"] + 2
                assert second["interaction_id"] == first["interaction_id"]
                agent = await row_of(desk.desk, schema.agent, ann_id)
                assert (agent["chosen"], agent["lost_at"] is not None) == ("ready", True)
                await desk.call("+14155550200")
                ann.state = {}
                await ann.connect()
                await ann.offer()
                agent = await row_of(desk.desk, schema.agent, ann_id)
                assert (agent["chosen"], agent["lost_at"]) == ("ready", None), "what was chosen counts again"


async def test_a_reload_within_the_time_changes_nothing(sqlite_url: str, tmp_path: Path) -> None:
    async with world(sqlite_url, tmp_path) as desk:
        await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            await desk.call("+14155550100")
            offer = await ann.offer()
            for _ in range(3):
                ann.state = {}
                await ann.io.disconnect()
                await ann.connect()
                assert list(ann.state["offers"]) == [offer["id"]], "it still rings"

            async def calm() -> bool:
                return not await rows_of(desk.desk, schema.timer, kind="agent_lost")

            await until(calm, "nothing counts down")
            said = [
                e["data"]["presence"] for e in await rows_of(desk.desk, schema.event, kind="agent.presence")
            ]
            assert "lost" not in said
            closed = await rows_of(desk.desk, schema.event, kind="offer.closed")
            assert closed == []
            await ann.ask("POST", f"/offers/{offer['id']}/accept", {})


@pytest.mark.postgres
async def test_a_node_that_was_buried_alive_rises_again(postgres_url: str, tmp_path: Path) -> None:
    """Stopped for 5 s, its sockets were given up by the others; it finds out and its agents are back."""
    from service_desk.actions.nodes import leave

    async with world(postgres_url, tmp_path, config=QUICK) as desk:
        ann_id = await add_agent(desk, "ann")
        async with console(desk, "ann") as ann:
            (node,) = await rows_of(desk.desk, schema.node)
            await desk.desk.run(leave, node["id"])

            async def back() -> bool:
                connected = await rows_of(desk.desk, schema.connection, agent_id=ann_id)
                return len(connected) == 1 and len(await rows_of(desk.desk, schema.node)) == 1

            await until(back, "it is there again", within_s=4)
            assert await rows_of(desk.desk, schema.timer, kind="agent_lost") == []
            await served_call(desk, ann)
            await same_as_snapshot(desk, ann)
