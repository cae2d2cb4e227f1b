"""Contacts: reading, writing, noting, ending, wrapping up."""

from service_desk.actions import messages, wrap_up
from service_desk.domain.access import Principal
from service_desk.domain.views import EntriesPageView, EntryView, InteractionView
from service_desk.queries.interactions import entries_page, entry_view, interaction_view
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web.api.inputs import EntriesPage, Text, WrapUp
from service_desk.web.api.rights import require_contact
from service_desk.web.openapi import Routes
from service_desk.web.reading import reading
from service_desk.web.serving import found

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


@routes.post(ONE + "/messages", needs="contact.handle", size="text_body_bytes")
def send_message(tx: Tx, who: Principal, interaction_id: str, body: Text, key: str) -> EntryView:
    """Write to the customer."""
    entry_id = messages.say_as_agent(tx, interaction_id, who.agent_id, body.text, key)
    return found(entry_view(reading(tx), entry_id))


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


@routes.post(ONE + "/wrap-up", needs="contact.handle")
def finish_wrap_up(tx: Tx, who: Principal, interaction_id: str, body: WrapUp) -> InteractionView:
    """Say how it ended; the agent is free for the next."""
    wrap_up.finish(tx, interaction_id, who.agent_id, body.disposition, body.comment)
    return found(interaction_view(reading(tx), interaction_id))
