"""Contacts: reading, writing, noting, ending, wrapping up."""

from collections.abc import Iterator
from contextlib import contextmanager

from service_desk.actions import callbacks, drafts, messages, parking, wrap_up, writing
from service_desk.domain.access import Principal, allowed, require
from service_desk.domain.views import DraftView, EntriesPageView, EntryView, InteractionView, NewDraft
from service_desk.errors import Conflict
from service_desk.queries.drafts import draft_view, no_draft
from service_desk.queries.interactions import (
    contact_of,
    entries_page,
    entry_view,
    held_entry,
    interaction_view,
)
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.changes import telling
from service_desk.web.api.inputs import EntriesPage, NewMail, NewMessage, Text, WrapUp
from service_desk.web.api.rights import require_contact
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found, there

routes = Routes("interactions")
ONE = "/api/v1/interactions/{interaction_id}"


@routes.get(ONE, needs="contact.handle")
def get_interaction(reader: Reader, who: Principal, interaction_id: str) -> InteractionView:
    """One contact."""
    require_contact(reader, who, interaction_id)
    return found(interaction_view(reader, interaction_id))


@routes.get(ONE + "/entries", needs="contact.handle")
def get_entries(reader: Reader, who: Principal, interaction_id: str, query: EntriesPage) -> EntriesPageView:
    """The newest entries of a conversation, or older ones before a cursor; oldest first within the page."""
    require_contact(reader, who, interaction_id)
    return entries_page(reader, interaction_id, query.before, query.limit)


@routes.get("/api/v1/entries/{entry_id}", needs="ticket.read")
def get_entry(reader: Reader, who: Principal, entry_id: str) -> EntryView:
    """All of an entry of which pages, snapshots and frames have only the beginning (`cut_from`)."""
    is_there, interaction_id = contact_of(reader, entry_id)
    if is_there and interaction_id is not None:
        require(who, "contact.handle")
        require_contact(reader, who, interaction_id)
    return found(entry_view(reader, entry_id))


@routes.post(ONE + "/messages", needs="contact.handle", size="text_body_bytes")
def send_message(tx: Tx, who: Principal, interaction_id: str, body: NewMessage, key: str) -> EntryView:
    """Write to the customer, in a chat or by text. 409 `thread_moved_on` with `entries` if they wrote meanwhile."""
    contact = there(tx.get(schema.interaction, interaction_id))
    with showing_newer(tx):
        if contact["channel"] == "sms":
            entry_id = writing.send_text(tx, interaction_id, who.agent_id, body.text, key, body.seen)
            writing.then(tx, interaction_id, who.agent_id, body.then)
        else:
            entry_id = messages.say_as_agent(tx, interaction_id, who.agent_id, body.text, key)
    return found(entry_view(reading(tx), entry_id))


@routes.post(ONE + "/mails", needs="contact.handle", size="text_body_bytes")
def send_mail(tx: Tx, who: Principal, interaction_id: str, body: NewMail, key: str) -> EntryView:
    """Answer by mail. 409 `thread_moved_on` with `entries` if the customer wrote meanwhile."""
    letter = writing.Letter(body.to, body.cc, body.subject, body.text, body.html, body.attachments)
    with showing_newer(tx):
        entry_id = writing.send_mail(tx, interaction_id, who.agent_id, letter, key, body.seen)
        writing.then(tx, interaction_id, who.agent_id, body.then)
    return found(entry_view(reading(tx), entry_id))


@routes.post(ONE + "/entries/{entry_id}/retry", needs="contact.handle")
def retry_message(tx: Tx, who: Principal, interaction_id: str, entry_id: str) -> EntryView:
    """Send a message that failed once more."""
    writing.retry(tx, interaction_id, entry_id, who.agent_id)
    return found(entry_view(reading(tx), entry_id))


@routes.post(ONE + "/park", needs="contact.handle")
def park_interaction(tx: Tx, who: Principal, interaction_id: str) -> InteractionView:
    """Answered: it waits for the customer, and holds no capacity."""
    parking.park(tx, interaction_id, who.agent_id)
    return found(interaction_view(reading(tx), interaction_id))


@routes.post(ONE + "/resume", needs="contact.handle")
def resume_interaction(tx: Tx, who: Principal, interaction_id: str) -> InteractionView:
    """Go on with one that waits for the customer."""
    parking.take_up(tx, interaction_id, who.agent_id)
    return found(interaction_view(reading(tx), interaction_id))


@routes.get(ONE + "/draft", needs="contact.handle")
def get_draft(reader: Reader, who: Principal, interaction_id: str) -> DraftView:
    """What was typed and not sent; an empty one of version 0 if nothing was."""
    require_contact(reader, who, interaction_id)
    return draft_view(reader, interaction_id) or no_draft(interaction_id)


@routes.post(ONE + "/draft", needs="contact.handle", size="text_body_bytes")
def keep_draft(tx: Tx, who: Principal, interaction_id: str, body: NewDraft) -> DraftView:
    """Keep what is typed. 412 with `current` if it was written on elsewhere."""
    with telling(lambda: draft_view(reading(tx), interaction_id)):
        typed = body.model_dump(exclude={"version"})
        drafts.keep(tx, interaction_id, who.agent_id, typed, body.version)
    return found(draft_view(reading(tx), interaction_id))


@routes.delete(ONE + "/draft", needs="contact.handle")
def discard_draft(tx: Tx, who: Principal, interaction_id: str, version: int) -> None:
    """It is not wanted any more, by its owner or a supervisor. 412 with `current` if it was written on elsewhere."""
    contact = there(tx.get(schema.interaction, interaction_id))
    require(who, "contact.handle", owner_id=contact["agent_id"] or "")
    with telling(lambda: draft_view(reading(tx), interaction_id)):
        drafts.discard(tx, interaction_id, version)


@contextmanager
def showing_newer(tx: Tx) -> Iterator[None]:
    """Around an answer: who was too slow is sent what the customer wrote meanwhile."""
    try:
        yield
    except Conflict as conflict:
        newer = [held_entry(reading(tx), entry_id) for entry_id in conflict.extras.pop("newer", ())]
        if newer:
            conflict.extras["entries"] = [view.model_dump(mode="json") for view in newer if view is not None]
        raise


@routes.post(ONE + "/notes", needs="contact.handle", size="text_body_bytes")
def add_note(tx: Tx, who: Principal, interaction_id: str, body: Text, key: str) -> EntryView:
    """An internal note, which the customer never sees."""
    require_contact(reading(tx), who, interaction_id)
    entry_id = messages.add_note(tx, interaction_id, who.agent_id, body.text, key)
    return found(entry_view(reading(tx), entry_id))


@routes.post(ONE + "/end", needs="contact.handle")
def end_interaction(tx: Tx, who: Principal, interaction_id: str) -> InteractionView:
    """Hang up, or close the chat; wrap-up begins."""
    wrap_up.end_contact(tx, interaction_id, who.agent_id)
    return found(interaction_view(reading(tx), interaction_id))


@routes.post(ONE + "/cancel-callback", needs="contact.handle")
def cancel_callback(tx: Tx, who: Principal, interaction_id: str) -> InteractionView:
    """Call off a callback that waits in a queue of one's own, a supervisor's in any; the customer is not called."""
    contact = there(tx.get(schema.interaction, interaction_id))
    mine = there(tx.get(schema.agent, who.agent_id))["queues"]
    if contact["queue_id"] not in mine and not allowed(who, "contact.direct"):
        raise Conflict("The contact waits in a queue that you do not serve.", code="not_your_queue")
    callbacks.cancel(tx, interaction_id, who.agent_id)
    return found(interaction_view(reading(tx), interaction_id))


@routes.post(ONE + "/wrap-up", needs="contact.handle")
def finish_wrap_up(tx: Tx, who: Principal, interaction_id: str, body: WrapUp) -> InteractionView:
    """Say how it ended; the agent is free for the next."""
    wrap_up.finish(tx, interaction_id, who.agent_id, body.disposition, body.comment)
    return found(interaction_view(reading(tx), interaction_id))
