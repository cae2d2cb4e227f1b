"""How late the event loop is: what everybody waits for when something holds it."""

from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk

EVERY: Micros = SECOND // 5


async def watch_loop(desk: Desk) -> None:
    """Ask to be woken five times a second and count how much later it happens, until cancelled."""
    clock, lag = desk.clock, desk.measures.loop_lag
    while True:
        asked = clock.monotonic() + EVERY / SECOND
        await clock.sleep_until(clock.now() + EVERY)
        lag.observe(max(0.0, clock.monotonic() - asked))
