"""What goes wrong, by chance: deaths, moved leases, crashed browsers, a provider's bad minutes, a clock that steps."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import TYPE_CHECKING, Any

from channels.simulator.faults import Fault, FaultRule
from service_desk.clock import SECOND
from service_desk.killpoint import POINTS
from tests.simulation.network import WORLD
from tests.simulation.node import Node

if TYPE_CHECKING:
    from tests.simulation.world import World

DOWN_S = (0.3, 6.0)
BAD_MINUTES_S = (30.0, 300.0)
STEPS_S = (-30.0, -1.0, -0.2, 0.5, 2.0, 45.0)
WEBHOOK_FAULTS = (Fault.DELAY, Fault.DROP, Fault.DUPLICATE, Fault.REORDER)
REST_FAULTS = (Fault.SLOW, Fault.TOO_MANY, Fault.ERROR, Fault.ERROR_AFTER_EFFECT)


class Faults:
    """Runs until it is cancelled; `end` makes everything well again."""

    def __init__(self, world: "World", random: Random) -> None:
        self._world = world
        self._random = random
        self._acts: list[tuple[float, Callable[[], Coroutine[Any, Any, None]]]] = [
            (3, self._kill),
            (4, self._kill_at_a_point),
            (2, self._restart),
            (3, self._move_lease),
            (3, self._crash_browser),
            (4, self._bad_webhooks),
            (4, self._bad_rest),
            (2, self._bad_mailbox),
            (2, self._step_clock),
        ]
        self._stopping: set[Node] = set()
        self._going_on: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        weights = [weight for weight, _ in self._acts]
        while True:
            await asyncio.sleep(self._random.expovariate(1 / self._world.options.fault_every_s))
            [(_, act)] = self._random.choices(self._acts, weights)
            self._begin(act())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside what goes wrong already."""
        task = self._world.loop.create_task(work, context=WORLD.copy())
        self._going_on.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._going_on.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._world.broken.append(f"a fault broke: {task.exception()!r}")

    async def end(self) -> None:
        self._world.exchange.faults.replace([])
        self._world.mailboxes._conditions.clear()
        for node in self._world.nodes:
            if node is not None:
                node.die_at = None
        self._world.note("no more faults")
        self._world.disturbed()

    # --- deaths -----------------------------------------------------------------------------------------------

    def died(self, node: Node, where: str) -> None:
        """A process is dead; it is started again after a while."""
        world = self._world
        world.note(f"{node.name} dies at {where}")
        world.counts[f"died at {where}"] += 1
        world.disturbed()
        if node in self._stopping:
            return  # who stopped it starts it again
        number = world.nodes.index(node)
        self._begin(self._start_again(number, self._random.uniform(*DOWN_S)))

    async def _start_again(self, number: int, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._world.start_node(number)

    def _living(self) -> Node | None:
        nodes = (node for node in self._world.nodes if node is not None and node not in self._stopping)
        living = [node for node in nodes if not node.dead and node.parts]
        return self._random.choice(living) if living else None

    async def _kill(self) -> None:
        node = self._living()
        if node is not None:
            self.died(node, "any moment")
            node.kill()

    async def _kill_at_a_point(self) -> None:
        node = self._living()
        if node is not None:
            node.die_at = self._random.choice(sorted(POINTS))
            self._world.note(f"{node.name} will die at {node.die_at}")

    async def _restart(self) -> None:
        """A process is stopped as a service manager stops it, and started again."""
        node = self._living()
        if node is not None:
            self._world.note(f"{node.name} is stopped")
            self._world.counts["stopped"] += 1
            self._world.disturbed()
            number = self._world.nodes.index(node)
            self._stopping.add(node)
            await node.stop()
            self._world.note(f"{node.name} has stopped")
            await self._start_again(number, self._random.uniform(*DOWN_S))

    # --- others -----------------------------------------------------------------------------------------------

    async def _move_lease(self) -> None:
        book = self._world.book
        name = self._random.choice(sorted(book.holders) or [""])
        unnoticed = self._random.random() < 0.5
        if name:
            self._world.note(f"lease {name} moves{' unnoticed' if unnoticed else ''}")
            self._world.counts["lease moved"] += 1
            self._world.disturbed()
            book.holders[name].move(unnoticed=unnoticed)
            self._world.bus.wake()

    async def _crash_browser(self) -> None:
        agent = self._random.choice(self._world.agents)
        self._world.note(f"browser of {agent._login} crashes")
        self._world.counts["browser crashed"] += 1
        agent.console.crash()

    async def _bad_webhooks(self) -> None:
        kind = self._random.choice(WEBHOOK_FAULTS)
        share = 0.05 if kind is Fault.DROP else self._random.choice((0.1, 0.3, 1.0))
        await self._bad_minutes(FaultRule(do=kind, share=share, seconds=self._random.uniform(0.05, 9.0)))

    async def _bad_rest(self) -> None:
        kind = self._random.choice(REST_FAULTS)
        share = self._random.choice((0.1, 0.5))
        await self._bad_minutes(FaultRule(do=kind, share=share, seconds=self._random.uniform(0.5, 30.0)))

    async def _bad_minutes(self, rule: FaultRule) -> None:
        self._world.note(f"provider: {rule.do.value} {rule.share:g} {rule.seconds:.2f} s")
        self._world.counts[f"provider {rule.do.value}"] += 1
        rules = self._world.exchange.faults.rules
        rules.append(rule)
        await asyncio.sleep(self._random.uniform(*BAD_MINUTES_S))
        if rule in rules:
            rules.remove(rule)
        self._world.note(f"provider: no more {rule.do.value}")

    async def _bad_mailbox(self) -> None:
        boxes = sorted(self._world.mailboxes.counts()) or ["person0@example.org"]
        box = self._random.choice(boxes)
        condition = self._random.choice(("busy", "silent", "refused"))
        self._world.note(f"mailbox {box} is {condition}")
        self._world.counts[f"mailbox {condition}"] += 1
        self._world.mailboxes.set_condition(box, condition)  # type: ignore[arg-type]  # one of its words
        await asyncio.sleep(self._random.uniform(*BAD_MINUTES_S))
        self._world.mailboxes.set_condition(box, "well")

    async def _step_clock(self) -> None:
        step = self._random.choice(STEPS_S)
        self._world.note(f"clock steps by {step:g} s")
        self._world.counts["clock stepped"] += 1
        self._world.clock.step += round(step * SECOND)
        self._world.disturbed()
