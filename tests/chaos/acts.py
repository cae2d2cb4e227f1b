"""What agents saw and were answered, against the rows: frames, screens, accepts, and the figures by the ledger."""

from collections import defaultdict

import sqlalchemy as sa

from service_desk.audit import Finding
from service_desk.audit.findings import Findings
from service_desk.clock import Micros
from service_desk.domain import interaction as life
from service_desk.domain.views import BoardView
from service_desk.queries.wallboard import BOARD_ROW, day_start
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.chaos.ledger import Act, Books

OFFER = schema.offer


def check_frames(_reader: Reader, books: Books) -> Findings:
    """Each socket's frames come in order, and each begins where what was seen before ended."""
    at: dict[str, int] = {}
    told: dict[str, int] = {}
    for act in books.acts:
        if act.kind == "opened":  # another socket: what it brings before its snapshot finds nothing to change
            at.pop(act.agent, None)
        elif act.kind == "snapshot":
            at[act.agent] = act.facts["position"]
            told.pop(act.agent, None)
        elif act.kind == "frame" and act.agent in at:
            seen, position = at[act.agent], act.facts["position"]
            # The first ones may be older than the snapshot: they change nothing.
            if position < told.get(act.agent, 0):
                yield Finding("frames", act.agent, f"frame {position} comes after {told[act.agent]}")
            elif act.facts["prev"] > seen:
                yield Finding(
                    "frames", act.agent, f"frame {position} follows {act.facts['prev']}, seen was {seen}"
                )
            at[act.agent], told[act.agent] = max(seen, position), position


def check_screens(_reader: Reader, books: Books) -> Findings:
    """At the end each screen shows what a console that connects then is shown."""
    for act in books.acts:
        if act.kind == "screen" and act.facts["differs"]:
            yield Finding("screens", act.agent, f"shows something else: {', '.join(act.facts['differs'])}")


def check_accepts(reader: Reader, books: Books) -> Findings:
    """Who was told that the contact is theirs had an offer that they accepted; each offer was told to one."""
    rows = {row["id"]: row for row in reader.all(sa.select(OFFER))}
    logins = {row["id"]: row["login"] for row in reader.all(sa.select(schema.agent))}
    taken = [act for act in books.acts if _answered(act, "accept")]
    for act in taken:
        row = rows.get(act.facts["subject"])
        if row is None:
            yield Finding(
                "accepts", act.facts["subject"], f"{act.agent} was given an offer that is not there"
            )
        elif (row["state"], logins.get(row["agent_id"])) != ("accepted", act.agent):
            state = f"it is {row['state']} of {logins.get(row['agent_id'])}"
            yield Finding("accepts", row["id"], f"{act.agent} was told that it is theirs; {state}")
    for act in books.acts:
        if act.kind == "offer_seen" and act.facts["offer"] not in rows:
            yield Finding("accepts", act.facts["offer"], f"{act.agent} saw an offer that is not there")


def check_keys(_reader: Reader, books: Books) -> Findings:
    """The same request under the same key is one act: it gets the same answer."""
    answers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for act in books.acts:
        if act.kind == "answered_act" and 200 <= act.facts["status"] < 300:
            answers[act.facts["what"], act.facts["key"]].add(act.facts["answer"])
    for (what, key), found in sorted(answers.items()):
        if len(found) > 1:
            yield Finding("keys", key, f"{what} under one key was answered in {len(found)} ways")


def check_figures(reader: Reader, books: Books) -> Findings:
    """The counters are a recount of the ledger: what came in, and what agents were given."""
    counts = schema.interval_count
    total = reader.first(
        sa.select(
            sa.func.coalesce(sa.func.sum(counts.c.offered), 0).label("offered"),
            sa.func.coalesce(sa.func.sum(counts.c.answered), 0).label("answered"),
            sa.func.coalesce(sa.func.sum(counts.c.abandoned), 0).label("abandoned"),
        )
    )
    assert total is not None, "sums have a row"
    least, most = _contacts_by_ledger(books)
    if not least <= total["offered"] <= most:
        yield Finding("figures", "offered", f"{total['offered']} counted, the ledger has {least} to {most}")
    accepted = {act.facts["subject"] for act in books.acts if _answered(act, "accept")}
    tried = {
        act.facts["subject"] for act in books.acts if act.kind == "asked" and act.facts["what"] == "accept"
    }
    contacts = {
        row["id"]: row["interaction_id"] for row in reader.all(sa.select(OFFER.c.id, OFFER.c.interaction_id))
    }
    least = len({contacts.get(offer) for offer in accepted})
    most = len(tried)
    if not least <= total["answered"] <= most:
        yield Finding("figures", "answered", f"{total['answered']} counted, the ledger has {least} to {most}")
    if total["answered"] + total["abandoned"] > total["offered"]:
        yield Finding("figures", "abandoned", f"{dict(total)} cannot be")


def check_board(reader: Reader, _books: Books) -> Findings:
    """The wallboard that everybody is shown is a recount of the rows and of its day's counters."""
    body = reader.scalar(sa.select(schema.board.c.body).where(schema.board.c.id == BOARD_ROW))
    if body is None:
        yield Finding("board", "board", "there is none")
        return
    board = BoardView.model_validate(body)
    midnight = day_start(reader.config, board.at)
    for queue in board.queues:
        for name, should in _recounted(reader, queue.id, midnight).items():
            if getattr(queue, name) != should:
                yield Finding(
                    "board", queue.id, f"{name} is shown as {getattr(queue, name)}, recounted {should}"
                )


def _recounted(reader: Reader, queue_id: str, since: Micros) -> dict[str, int]:
    contact, counts = schema.interaction, schema.interval_count
    line = sa.select(sa.func.count()).where(
        contact.c.queue_id == queue_id, contact.c.state.in_(tuple(life.WAITING))
    )
    names = ("offered", "answered", "abandoned")
    sums = sa.select(*(sa.func.coalesce(sa.func.sum(counts.c[name]), 0).label(name) for name in names)).where(
        counts.c.queue_id == queue_id, counts.c.start >= since
    )
    row = reader.first(sums)
    assert row is not None, "sums have a row"
    return {"waiting": int(reader.scalar(line))} | {f"{name}_today": int(row[name]) for name in names}


def _contacts_by_ledger(books: Books) -> tuple[int, int]:
    """How many contacts joined a queue at least and at most, from what customers did and were answered."""
    calls = {hook.form["CallSid"]: False for hook in books.webhooks if hook.name == "voice"}
    calls |= {
        hook.form["CallSid"]: True for hook in books.webhooks if hook.name == "voice" and hook.acknowledged
    }
    writers = {hook.form["From"] for hook in books.webhooks if hook.name == "incoming" and hook.acknowledged}
    texts = {hook.form["MessageSid"] for hook in books.webhooks if hook.name == "incoming"}
    mails = [each for each in books.inputs.values() if each.channel == "mail"]
    chats = [each for each in books.inputs.values() if each.channel == "chat"]
    least = sum(calls.values()) + len(writers) + sum(each.acknowledged for each in mails)
    return least, len(calls) + len(texts) + len(mails) + len(chats)


def _answered(act: Act, what: str) -> bool:
    return act.kind == "answered_act" and act.facts["what"] == what and 200 <= act.facts["status"] < 300
