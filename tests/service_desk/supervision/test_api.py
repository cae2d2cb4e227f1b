"""The supervisor's routes: keys, versions, reasons, what a loser is sent, lists, intervals, CSV."""

import csv
import io
from typing import Any

import pytest

from service_desk.actions import admin
from service_desk.background.figures import fold, read_cursor
from service_desk.domain.csv_text import BOM, csv_text
from service_desk.lease import take
from service_desk.queries.live import events_after
from service_desk.storage import schema
from tests.service_desk.web.world import CONFIG, Caller, World

WHY = {"reason": "The line is too long."}


async def counted(world: World) -> None:
    """Fold the log, as the holder of the figures does."""
    fence = await world.desk.run(take, "figures", "nod_test")
    events = await world.desk.read(events_after, await world.desk.read(read_cursor), 1_000)
    if events:
        await world.desk.run(fold, events, "figures", fence)


async def floor_of(caller: Caller) -> dict[str, Any]:
    answer = await caller.get("/api/v1/floor")
    assert answer.status == 200, answer.body
    return {contact["id"]: contact for contact in answer.json()["contacts"]}


async def test_a_move_needs_key_version_and_reason_and_is_done_once(world: World) -> None:
    sue = await world.person("sue", "supervisor")
    call = await world.call()
    seen = (await floor_of(sue))[call]
    path = f"/api/v1/interactions/{call}/move"
    body = {"queue_id": "sales", **WHY}
    assert (await sue.post(path, body)).code == "version_required"
    assert (await sue.post(path, body, key=None, version=seen["version"])).code == "key_required"
    for wrong in ({"queue_id": "sales"}, {"queue_id": "sales", "reason": ""}, {"queue_id": "nowhere", **WHY}):
        assert (await sue.post(path, wrong, version=seen["version"])).code == "validation"
    first = await sue.post(path, body, key="k1", version=seen["version"])
    again = await sue.post(path, body, key="k1", version=seen["version"])
    assert (first.status, first.body) == (again.status, again.body) == (200, first.body)
    assert first.json()["queue_id"] == "sales"
    late = await sue.post(path, {"queue_id": "repair", **WHY}, version=seen["version"])
    assert late.code == "stale_version"
    assert late.json()["current"]["queue_id"] == "sales", "the loser sees what there is now"
    audited = await world.desk.read(lambda reader: reader.all(schema.audit.select()))
    (line,) = [row for row in audited if row["action"] == "contact.moved"]
    assert (line["actor"], line["data"]["reason"]) == (sue.agent_id, WHY["reason"])


async def test_the_floor_tells_callbacks_from_callers_until_they_are_called_off(world: World) -> None:
    await world.offer_callbacks()
    sue = await world.person("sue", "supervisor")
    waits, asked = await world.call(), await world.call()
    await world.ask_callback(asked)
    floor = await floor_of(sue)
    assert {each: floor[each]["callback"] for each in floor} == {waits: False, asked: True}
    assert (await sue.post(f"/api/v1/interactions/{asked}/cancel-callback")).status == 200
    assert list(await floor_of(sue)) == [waits]


async def test_assign_prioritise_and_force_a_state(quick_world: World) -> None:
    world = quick_world
    sue, ada = await world.person("sue", "supervisor"), await world.person("ada")
    call = await world.call()
    seen = (await floor_of(sue))[call]
    body = {"agent_id": ada.agent_id, **WHY}
    path = f"/api/v1/interactions/{call}"
    refused = await sue.post(f"{path}/assign", body, version=seen["version"])
    assert refused.code == "agent_not_there"
    await world.ready(ada)
    raised = await sue.post(f"{path}/prioritise", {"head_start_min": 5, **WHY}, version=seen["version"])
    assert raised.json()["head_start_min"] == 5
    given = await sue.post(f"{path}/assign", body, version=raised.json()["version"])
    assert (given.json()["state"], given.json()["agent_id"]) == ("connecting", ada.agent_id)
    row = await world.row(schema.agent, ada.agent_id)
    forced = await sue.post(
        f"/api/v1/agents/{ada.agent_id}/state",
        {"state": "away", "away_reason": "break", **WHY},
        version=row["version"],
    )
    assert (forced.status, forced.json()["reason"]) == (200, "break")
    stale = await sue.post(
        f"/api/v1/agents/{ada.agent_id}/state", {"state": "signed_out", **WHY}, version=row["version"]
    )
    assert stale.json()["current"]["reason"] == "break"
    gone = await sue.post(
        f"/api/v1/agents/{ada.agent_id}/state",
        {"state": "signed_out", **WHY},
        version=forced.json()["version"],
    )
    assert gone.status == 200
    assert (await ada.get("/api/v1/session")).status == 401, "signed out everywhere"
    assert (await floor_of(sue))[call]["state"] == "queued"


async def test_lists_page_through_what_a_figure_is_made_of(quick_world: World) -> None:
    world = quick_world
    sue = await world.person("sue", "supervisor")
    calls = [await world.call() for _ in range(5)]
    found, before = [], ""
    while True:
        page = (await sue.get(f"/api/v1/figures/waiting/contacts?limit=2{before}")).json()
        assert page["total"] == 5
        found += [item["id"] for item in page["items"]]
        if page["more"] is None:
            break
        before = f"&before={page['more']}"
    assert found == calls, "the longest wait first"
    assert (await sue.get("/api/v1/figures/mood/contacts")).status == 404
    assert (await sue.get("/api/v1/figures/offered/contacts?queue=sales")).json()["total"] == 0
    for wrong in ("limit=0", "limit=201", "start=-1", "before=%27", "queue=A"):
        assert (await sue.get(f"/api/v1/figures/offered/contacts?{wrong}")).code == "validation"


async def test_intervals_and_their_csv(world: World) -> None:
    sue = await world.person("sue", "supervisor")
    await world.call()
    await counted(world)
    view = (await sue.get("/api/v1/intervals?queue=service")).json()
    (row,) = [each for each in view["intervals"] if each["offered"]]
    assert (row["queue_id"], row["offered"], row["service_level_of_offered"]) == ("service", 1, 0.0)
    answer = await sue.get("/api/v1/intervals.csv?queue=service")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="intervals-{view["day"]}.csv"'
    text = answer.body.decode()
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    (first, *_) = list(csv.DictReader(io.StringIO(text, newline="")))
    assert (first["queue"], first["offered"], first["service_level_of_offered_pct"]) == (
        "Service",
        "1",
        "0.0",
    )
    assert first["service_level_of_answered_pct"] == "", "nothing to divide by"
    with_bom = await sue.get("/api/v1/intervals.csv?queue=service&bom=true")
    assert with_bom.body.startswith(b"\xef\xbb\xbf")
    assert (await sue.get("/api/v1/intervals?day=2026-02-30")).code == "validation"
    assert (await sue.get("/api/v1/intervals?day=2020-01-01")).json()["intervals"] == []


def test_csv_is_what_the_rfc_says() -> None:
    text = csv_text(["a", "b"], [['x "y", z', "two\nlines"], [None, 1.5], [-3, ""]], bom=True)
    assert text == BOM + 'a,b\r\n"x ""y"", z","two\nlines"\r\n,1.5\r\n-3,\r\n'


@pytest.mark.parametrize("day", ["2026-10-25", "2026-03-29", "2000-01-01", "2100-01-01"])
async def test_days_with_and_without_a_doubled_hour(quick_world: World, day: str) -> None:
    sue = await quick_world.person("sue", "supervisor")
    answer = await sue.get(f"/api/v1/intervals?day={day}")
    assert (answer.status, answer.json()["day"]) == (200, day)


async def test_alerts_are_listed_and_acknowledged(quick_world: World) -> None:
    world = quick_world
    sue = await world.person("sue", "supervisor")
    rule = {
        "id": "calls-wait", "name": "Calls wait", "figure": "waiting", "raise_at": 1, "clear_at": 0,
        "raise_s": 0, "clear_s": 0, "level": "urgent",
    }  # fmt: skip
    await world.desk.run(admin.publish_config, {**CONFIG, "alerts": [rule]})
    await world.desk.run(_raise)
    (alert,) = (await sue.get("/api/v1/alerts/now")).json()["alerts"]
    path = f"/api/v1/alerts/{alert['id']}/acknowledge"
    assert (await sue.post(path, {})).code == "version_required"
    taken = await sue.post(path, {}, version=alert["version"])
    assert taken.json()["acknowledged_by"] == sue.agent_id
    assert [each["id"] for each in (await sue.get("/api/v1/alerts?limit=1")).json()["items"]] == [alert["id"]]


def _raise(tx: Any) -> None:
    from service_desk.actions.alerts import change_alerts

    fence = take(tx, "figures", "nod_test")
    change_alerts(tx, [(tx.config.alerts[0], 3.0)], [], [], "figures", fence)
