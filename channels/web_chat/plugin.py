"""The web chat as a channel: limits and settings for one widget. Nothing goes through a provider."""

from collections.abc import Sequence

from channels.contract import AccountId, Health, Limits, Outbound, Plugin, SendFailed, Sent, Webhook
from channels.web_chat.settings import MESSAGES_PER_SECOND, TEXT_CHARACTERS, WebChatSettings


class WebChatChannel:
    """One widget. Its visitors' sockets belong to the desk, which delivers what agents write."""

    def __init__(self, account: AccountId, settings: WebChatSettings) -> None:
        self._account = account
        self.settings = settings

    @property
    def name(self) -> str:
        return "web_chat"

    @property
    def account(self) -> AccountId:
        return self._account

    @property
    def limits(self) -> Limits:
        # Characters, of which the longest takes four bytes: what fits here fits the limit in bytes, too.
        return Limits(text_characters=TEXT_CHARACTERS, requests_per_second=MESSAGES_PER_SECOND)

    def webhooks(self) -> Sequence[Webhook]:
        """None: visitors come by socket."""
        return ()

    async def run(self) -> None:
        """Returns at once: there is nothing to fetch."""

    async def send(self, message: Outbound) -> Sent:
        raise SendFailed(f"a chat message goes out by the visitor's socket ({message.key})")

    async def health(self) -> Health:
        return Health(ok=True)

    async def close(self) -> None:
        """Holds nothing."""


def open_web_chat(account: AccountId, settings: WebChatSettings, public_base: str) -> WebChatChannel:  # noqa: ARG001 - the shape of OpenChannel
    """A widget from its validated settings."""
    return WebChatChannel(account, settings)


PLUGIN = Plugin(name="web_chat", settings=WebChatSettings, open=open_web_chat)
