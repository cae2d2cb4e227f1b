"""The provider's own REST client on aiohttp, with a time limit and the contract's errors.

No request is repeated here: the outbox decides that. A refusal is told apart from an outcome that nobody
knows.
"""

import json
import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api.v2010.account import AccountContext

from channels.contract import Health, OutcomeUnknown, SendFailed
from channels.twilio_settings import TwilioSettings

RETRY_AFTER_S = 1.0  # after 429 without Retry-After, and after a connection that never was

T = TypeVar("T")


class Refused(SendFailed):
    """The provider said no, `number` is its code, 0 when it gave none."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message, code=str(number) if number else None)
        self.number = number


async def mapped(request: Awaitable[T]) -> T:
    """Await a request of the SDK and turn what it raises into the contract's errors."""
    try:
        return await request
    except TwilioRestException as error:
        raise Refused(
            f"the provider refused with {error.status}, code {error.code}", error.code or 0
        ) from error
    except TwilioException as error:  # an answer that is no JSON, or not in the shape that the SDK expects
        raise OutcomeUnknown("the provider's answer cannot be read") from error
    except json.JSONDecodeError as error:
        raise OutcomeUnknown("the provider's answer cannot be read") from error


async def account_health(account: AccountContext) -> Health:
    """Whether the account answers, in one small request."""
    try:
        found = await mapped(account.fetch_async())
    except (SendFailed, OutcomeUnknown) as error:
        return Health(ok=False, detail=str(error))
    if str(found.status) != "active":
        return Health(ok=False, detail=f"the provider says that the account is {found.status}")
    return Health(ok=True)


def open_account(settings: TwilioSettings, http: "PatientHttpClient") -> AccountContext:
    """The account's resources; no connection is opened yet."""
    client: Client = Client(
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
        quiet = logging.getLogger("channels.twilio")  # the SDK logs URLs at INFO
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
