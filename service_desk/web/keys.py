"""What the application carries for its handlers, typed."""

from collections.abc import Mapping
from typing import TypeAlias

from aiohttp import web

from channels.contract import Channel
from service_desk.desk import Desk
from service_desk.intake import Intake
from service_desk.ports import Blobs
from service_desk.settings import Settings

Channels: TypeAlias = Mapping[tuple[str, str], Channel]
"""By channel name and account."""

DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)
SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
CHANNELS: web.AppKey[Channels] = web.AppKey("channels", dict)
BLOBS: web.AppKey[Blobs] = web.AppKey("blobs", Blobs)
INTAKE: web.AppKey[Intake] = web.AppKey("intake", Intake)
