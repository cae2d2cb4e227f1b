"""What we ask of the provider about living calls. No request is repeated here: the outbox decides that."""

import re

from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from channels.contract import CallStatus, Health, LegState, OutboundCall
from channels.phone.parse import DESK_ID
from channels.phone.render import Renderer
from channels.phone.settings import PhoneSettings
from channels.twilio_rest import PatientHttpClient, Refused, account_health, mapped, open_account

NOT_IN_PROGRESS = 21220  # the provider's code for an update of a call that is over
NOT_FOUND = 20404
TOKEN_LIFETIME_MAX_S = 86_400
CONFERENCES_PAGE = 20
IDENTITY = re.compile(DESK_ID)
LIVE_CONFERENCE = frozenset({"init", "in-progress"})
DIALLED_PAGE = 20
PROGRESS = ["initiated", "ringing", "answered", "completed"]
CLOCKS_US = 5_000_000
"""By so much the provider's clock may be behind ours."""


class TwilioCalls:
    """Call control for one account; also makes softphone tokens."""

    def __init__(self, settings: PhoneSettings, renderer: Renderer) -> None:
        self._settings = settings
        self._renderer = renderer
        self._http = PatientHttpClient(settings.request_timeout_s)
        self._account = open_account(settings, self._http)

    async def dial(self, call: OutboundCall) -> str:
        """Call a customer; the id of their leg. Raises SendFailed or OutcomeUnknown."""
        hooks = self._renderer.hooks
        created = self._account.calls.create_async(
            to=call.number,
            from_=call.sender,
            url=hooks.customer(call.dial),
            method="POST",
            fallback_url=hooks.customer(call.dial),
            fallback_method="POST",
            status_callback=hooks.dialled(call.dial),
            status_callback_method="POST",
            status_callback_event=PROGRESS,
            timeout=call.ring_s,
        )
        return str((await mapped(created)).sid)

    async def find_dialled(self, call: OutboundCall, since: int) -> list[LegState]:
        """The newest calls by REST to this number since then, whoever asked for them. Raises SendFailed.

        The provider's list says neither the addresses nor anything else that we gave with a call.
        """
        found = await mapped(
            self._account.calls.list_async(
                to=call.number, from_=call.sender, page_size=DIALLED_PAGE, limit=DIALLED_PAGE
            )
        )
        return [
            LegState(str(leg.sid), CallStatus(str(leg.status)))
            for leg in found
            if str(leg.direction) == "outbound-api"
            and leg.date_created is not None
            and leg.date_created.timestamp() * 1_000_000 >= since - CLOCKS_US
        ]

    async def connect(self, call_id: str, interaction_id: str, *, first: bool = False) -> None:
        """Move a waiting leg into the conference of the interaction.

        Unless it is the `first` try it looks before: redirecting a customer who is in it already would make them
        leave, and that ends the conference. Raises SendFailed (permanent when the leg is over) or OutcomeUnknown.
        """
        if not first and await self._conference_of(call_id, interaction_id) is not None:
            return
        update = self._account.calls(call_id).update_async(
            twiml=self._renderer.connect_document(interaction_id)
        )
        await mapped(update)

    async def put_back(self, call_id: str) -> None:
        """Move the customer's leg back to the waiting treatment. Raises SendFailed or OutcomeUnknown."""
        await mapped(self._account.calls(call_id).update_async(url=self._renderer.wait_url, method="POST"))

    async def hang_up(self, call_id: str) -> None:
        """End a leg; one that is over already is no error. Raises SendFailed or OutcomeUnknown."""
        try:
            await mapped(self._account.calls(call_id).update_async(status="completed"))
        except Refused as refusal:
            if refusal.number != NOT_IN_PROGRESS:
                raise

    async def look_up(self, call_id: str, interaction_id: str | None = None) -> LegState | None:
        """The leg as the provider knows it; its conference only when asked about one interaction's."""
        try:
            call = await mapped(self._account.calls(call_id).fetch_async())
        except Refused as refusal:
            if refusal.number == NOT_FOUND:
                return None
            raise
        conference = None
        if interaction_id is not None and await self._conference_of(call_id, interaction_id) is not None:
            conference = interaction_id
        return LegState(call_id, CallStatus(str(call.status)), conference)

    def softphone_token(self, agent_id: str, lifetime_s: int = 3600) -> str:
        """A signed token for an agent's softphone.

        ValueError for an id that is no identity, or over a day.
        """
        if not IDENTITY.fullmatch(agent_id):
            raise ValueError("no agent id: it could not come back as a softphone's identity")
        if not 0 < lifetime_s <= TOKEN_LIFETIME_MAX_S:
            raise ValueError("a softphone token lives at most a day")
        settings = self._settings
        grant = VoiceGrant(outgoing_application_sid=settings.twiml_app_sid)
        token = AccessToken(
            settings.account_sid,
            settings.api_key_sid,
            settings.api_key_secret.get_secret_value(),
            identity=agent_id,
            ttl=lifetime_s,
            grants=[grant],
        )
        return str(token.to_jwt())

    async def health(self) -> Health:
        """Whether the account answers, in one small request."""
        return await account_health(self._account)

    async def close(self) -> None:
        """Close the connections; safe to repeat."""
        await self._http.close()

    async def _conference_of(self, call_id: str, interaction_id: str) -> str | None:
        """The living conference of an interaction, when the leg is in it."""
        found = await mapped(
            self._account.conferences.list_async(
                friendly_name=interaction_id, page_size=CONFERENCES_PAGE, limit=CONFERENCES_PAGE
            )
        )
        for conference in found:
            if str(conference.status) in LIVE_CONFERENCE and await self._has_participant(
                str(conference.sid), call_id
            ):
                return str(conference.sid)
        return None

    async def _has_participant(self, conference_id: str, call_id: str) -> bool:
        try:
            await mapped(self._account.conferences(conference_id).participants(call_id).fetch_async())
        except Refused as refusal:
            if refusal.number == NOT_FOUND:
                return False
            raise
        return True
