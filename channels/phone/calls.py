"""What we ask of the provider about living calls, through its own REST client on aiohttp.

No request is repeated here: the outbox decides that. A refusal is told apart from an outcome that nobody
knows.
"""

import json
import logging
import re
from collections.abc import Awaitable
from typing import Any, TypeVar

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant
from twilio.rest import Client
from twilio.rest.api.v2010.account import AccountContext

from channels.contract import CallStatus, Health, LegState, OutcomeUnknown, SendFailed
from channels.phone.parse import DESK_ID
from channels.phone.render import Renderer
from channels.phone.settings import PhoneSettings

NOT_IN_PROGRESS = 21220  # the provider's code for an update of a call that is over
NOT_FOUND = 20404
RETRY_AFTER_S = 1.0  # after 429 without Retry-After, and after a connection that never was
TOKEN_LIFETIME_MAX_S = 86_400
CONFERENCES_PAGE = 20
IDENTITY = re.compile(DESK_ID)
LIVE_CONFERENCE = frozenset({"init", "in-progress"})

T = TypeVar("T")


class TwilioCalls:
    """Call control for one account; also makes softphone tokens."""

    def __init__(self, settings: PhoneSettings, renderer: Renderer) -> None:
        self._settings = settings
        self._renderer = renderer
        self._http = PatientHttpClient(settings.request_timeout_s)
        self._account = _open_account(settings, self._http)

    async def connect(self, call_id: str, interaction_id: str) -> None:
        """Move a waiting leg into the conference of the interaction.

        Looks first: redirecting a customer who is in it already would make them leave, and that ends the
        conference. Raises SendFailed (permanent when the leg is over) or OutcomeUnknown.
        """
        if await self._conference_of(call_id, interaction_id) is not None:
            return
        update = self._account.calls(call_id).update_async(
            twiml=self._renderer.connect_document(interaction_id)
        )
        await _mapped(update)

    async def put_back(self, call_id: str) -> None:
        """Move the customer's leg back to the waiting treatment. Raises SendFailed or OutcomeUnknown."""
        await _mapped(self._account.calls(call_id).update_async(url=self._renderer.wait_url, method="POST"))

    async def hang_up(self, call_id: str) -> None:
        """End a leg; one that is over already is no error. Raises SendFailed or OutcomeUnknown."""
        try:
            await _mapped(self._account.calls(call_id).update_async(status="completed"))
        except _Refused as refusal:
            if refusal.code != NOT_IN_PROGRESS:
                raise

    async def look_up(self, call_id: str, interaction_id: str | None = None) -> LegState | None:
        """The leg as the provider knows it; its conference only when asked about one interaction's."""
        try:
            call = await _mapped(self._account.calls(call_id).fetch_async())
        except _Refused as refusal:
            if refusal.code == NOT_FOUND:
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
        grant = VoiceGrant(outgoing_application_sid=settings.twiml_app_sid)  # type: ignore[no-untyped-call]
        token = AccessToken(  # type: ignore[no-untyped-call]
            settings.account_sid,
            settings.api_key_sid,
            settings.api_key_secret.get_secret_value(),
            identity=agent_id,
            ttl=lifetime_s,
            grants=[grant],
        )
        return str(token.to_jwt())  # type: ignore[no-untyped-call]

    async def health(self) -> Health:
        """Whether the account answers, in one small request."""
        try:
            account = await _mapped(self._account.fetch_async())
        except (SendFailed, OutcomeUnknown) as error:
            return Health(ok=False, detail=str(error))
        if str(account.status) != "active":
            return Health(ok=False, detail=f"the provider says that the account is {account.status}")
        return Health(ok=True)

    async def close(self) -> None:
        """Close the connections; safe to repeat."""
        await self._http.close()

    async def _conference_of(self, call_id: str, interaction_id: str) -> str | None:
        """The living conference of an interaction, when the leg is in it."""
        found = await _mapped(
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
            await _mapped(self._account.conferences(conference_id).participants(call_id).fetch_async())
        except _Refused as refusal:
            if refusal.code == NOT_FOUND:
                return False
            raise
        return True


class _Refused(SendFailed):
    """The provider said no, with a code of its own."""

    def __init__(self, message: str, code: int, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s)
        self.code = code


async def _mapped(request: Awaitable[T]) -> T:
    """Await a request of the SDK and turn what it raises into the contract's errors."""
    try:
        return await request
    except TwilioRestException as error:
        raise _Refused(
            f"the provider refused with {error.status}, code {error.code}", error.code or 0
        ) from error
    except TwilioException as error:  # an answer that is no JSON, or not in the shape that the SDK expects
        raise OutcomeUnknown("the provider's answer cannot be read") from error
    except json.JSONDecodeError as error:
        raise OutcomeUnknown("the provider's answer cannot be read") from error


def _open_account(settings: PhoneSettings, http: "PatientHttpClient") -> AccountContext:
    client: Client = Client(  # type: ignore[no-untyped-call]
        settings.api_key_sid,
        settings.api_key_secret.get_secret_value(),
        settings.account_sid,
        http_client=http,
        environment={"TWILIO_REGION": ""},  # not the process's own: the settings say all
    )
    client.api.base_url = settings.api_base_url
    return client.api.v2010.accounts(settings.account_sid)


class PatientHttpClient(AsyncTwilioHttpClient):
    """The SDK's asynchronous client with a time limit, our errors, and no session before it is used.

    The SDK's own has no limit, and needs a running loop to be made.
    """

    def __init__(self, timeout_s: float) -> None:
        quiet = logging.getLogger("channels.phone.twilio")  # the SDK logs URLs at INFO
        quiet.setLevel(logging.WARNING)
        super().__init__(pool_connections=False, logger=quiet)
        self._timeout_s = timeout_s

    async def request(  # type: ignore[override]  # so does the class that it extends
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the SDK's signature
        allow_redirects: bool = False,  # noqa: FBT001, FBT002 - the SDK's signature
    ) -> Response:
        if self.session is None:
            self.session = aiohttp.ClientSession()
        limit, reads = timeout or self._timeout_s, method.upper() == "GET"
        if auth is not None:  # the SDK's own way is deprecated in aiohttp
            headers = {**(headers or {}), "Authorization": aiohttp.encode_basic_auth(*auth)}
        try:
            response = await super().request(method, url, params, data, headers, None, limit, allow_redirects)
        except aiohttp.ClientConnectorError as error:
            raise SendFailed("the provider cannot be reached", RETRY_AFTER_S) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise _unsure("no answer from the provider", reads=reads) from error
        if response.status_code == 429:
            raise SendFailed("the provider asks for patience (429)", _retry_after_s(response.headers))
        if response.status_code >= 500:
            raise _unsure(f"the provider answered {response.status_code}", reads=reads)
        return response

    async def close(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            await session.close()


def _unsure(message: str, *, reads: bool) -> SendFailed | OutcomeUnknown:
    """A read that failed changed nothing and can be asked again; of a write nobody knows."""
    return SendFailed(message, RETRY_AFTER_S) if reads else OutcomeUnknown(message)


def _retry_after_s(headers: Any) -> float:
    try:
        return min(max(float(headers.get("Retry-After", "")), 0.1), 60.0)
    except (ValueError, AttributeError):
        return RETRY_AFTER_S
