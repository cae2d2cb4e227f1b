"""Puts the exchange behind one HTTP server: the provider's REST API and our control API."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from channels.simulator.control import ControlApi
from channels.simulator.customers import CallCustomers
from channels.simulator.exchange import Exchange
from channels.simulator.mailboxes import Mailboxes, MailControl
from channels.simulator.rest import RestApi
from channels.simulator.serving import serving
from channels.simulator.settings import SimulatorSettings

REQUEST_BYTES = 256_000
SHUTDOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator that listens."""

    base_url: str
    exchange: Exchange
    customers: CallCustomers
    mailboxes: Mailboxes | None = None


@asynccontextmanager
async def running(settings: SimulatorSettings) -> AsyncIterator[RunningSimulator]:
    """Listen until the block ends. OSError when the port is taken."""
    exchange = Exchange(settings)
    customers = CallCustomers(exchange)
    app = web.Application(client_max_size=REQUEST_BYTES)
    RestApi(exchange).add_to(app)
    ControlApi(exchange, customers).add_to(app)
    mailboxes = None if settings.mail is None else Mailboxes(settings.mail, exchange.record)
    if mailboxes is not None:
        app.router.add_routes(MailControl(mailboxes).routes())
    async with AsyncExitStack() as ending:
        base_url = await ending.enter_async_context(serving(app, settings.host, settings.port, SHUTDOWN_S))
        ending.push_async_callback(exchange.close)
        ending.push_async_callback(customers.close)
        if mailboxes is not None:
            ending.push_async_callback(mailboxes.close)
            await mailboxes.start()
        exchange.messaging.base_url = base_url
        if settings.traffic.calls_per_minute > 0:
            customers.set_rate(settings.traffic.calls_per_minute)
        yield RunningSimulator(base_url, exchange, customers, mailboxes)
