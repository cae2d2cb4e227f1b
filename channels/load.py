"""Finds a channel's plugin by name: ours from a table, others by entry points `service_desk.channels`."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from channels.contract import Plugin

ENTRY_POINT_GROUP = "service_desk.channels"

# A name here cannot be taken over by an entry point: an installed distribution must not replace our phone.
OWN: Mapping[str, str] = MappingProxyType(
    {
        "email": "channels.email.plugin:PLUGIN",
        "phone": "channels.phone.plugin:PLUGIN",
        "sms": "channels.sms.plugin:PLUGIN",
        "web_chat": "channels.web_chat.plugin:PLUGIN",
    }
)


class UnknownChannelError(LookupError):
    """No adapter has this name; the message names those that there are."""


class BadPluginError(TypeError):
    """An entry point gave something that is not a Plugin of that name."""


def names() -> tuple[str, ...]:
    """All channels that can be configured, sorted."""
    return tuple(sorted({*OWN, *(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))}))


def find(name: str) -> Plugin:
    """The plugin of a channel, imported on demand.

    Raises UnknownChannelError, or BadPluginError when an installed distribution offers something else or
    two offer one name.
    """
    return _checked(name, _entry(name).load())


def _entry(name: str) -> EntryPoint:
    if name in OWN:
        return EntryPoint(name, OWN[name], ENTRY_POINT_GROUP)
    offers = [entry for entry in entry_points(group=ENTRY_POINT_GROUP) if entry.name == name]
    if not offers:
        raise UnknownChannelError(f"no channel {name!r}; there are {', '.join(names())}")
    if len(offers) > 1:
        raise BadPluginError(
            f"channel {name!r} is offered by {' and '.join(entry.value for entry in offers)}"
        )
    return offers[0]


def _checked(name: str, plugin: object) -> Plugin:
    if not isinstance(plugin, Plugin) or plugin.name != name:
        raise BadPluginError(f"the entry point of channel {name!r} is no Plugin of that name")
    return plugin
