"""One run: puts the doubles in place, hears what the desk logs, and says how it went."""

import asyncio
import gc
import logging
import sys
from collections.abc import MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog

from service_desk.killpoint import Killed
from tests.simulation import checks
from tests.simulation.chance import seeded
from tests.simulation.doubles import in_place
from tests.simulation.loop import VirtualLoop
from tests.simulation.options import Options
from tests.simulation.world import Broken, World


def run(options: Options, folder: Path) -> World:
    """One run to its end or to what broke; look at `broken`."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(options, folder, loop)
    gc.disable()  # when a cycle is collected must not depend on chance: see Watch.run
    gc.freeze()
    _hear_logs(world)
    loop.set_exception_handler(lambda _, context: _unhandled(world, context))
    with ExitStack() as stack:
        stack.enter_context(seeded(options.seed, loop))
        stack.enter_context(
            in_place(
                world.network, world.bus, world.book, checks.Ledger, world.died, alone=options.nodes == 1
            )
        )
        try:
            loop.run_until_complete(world.live())
        except Broken:
            pass
        except BaseException as error:  # a fault of the simulation is a finding too
            world.broken.append(f"at {loop.time():.3f} s: the simulation broke: {error!r}")
            logging.getLogger().exception("simulation")
        return world


def _unhandled(world: World, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, Killed):
        return
    world.broken.append(f"at {world.loop.time():.3f} s: unhandled: {context.get('message')} {error!r}")
    if error is not None:
        logging.getLogger().error("unhandled", exc_info=error)


def _hear_logs(world: World) -> None:
    """What the desk logs goes into the log of the run; an error is a finding."""

    def hear(_logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        error = event.pop("exc_info", None)
        event.pop("pid", None)  # the system's, not the seed's
        said = sys.exc_info()[1] if error is True else error
        words = " ".join(f"{name}={value}" for name, value in event.items())
        if said is not None and isinstance(said, BaseException):
            words += f" {type(said).__name__}: {said}"
        world.note(f"{method} {words}")
        if method in ("error", "exception", "critical"):
            world.broken.append(f"at {world.loop.time():.3f} s: the desk logged {method}: {words}")
            if said:
                logging.getLogger().error("%s", words, exc_info=said)
        raise structlog.DropEvent

    structlog.configure(
        processors=[hear],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
