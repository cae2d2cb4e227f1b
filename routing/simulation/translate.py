"""A scenario in the router's own terms. Rules that the scenario does not know by name are handed on as they are.

So a new field of QueuePolicy, Policy, WorkItem or Agent can be simulated on the day that it is there.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from routing import codec, drafts
from routing.decisions import Decision
from routing.model import Agent, Policy, QueuePolicy, Skill, WorkItem
from routing.simulation.people import micros
from routing.simulation.scenario import ContactType, Group, Queue, Scenario, ScenarioError

T = TypeVar("T")


def policy_of(scenario: Scenario) -> Policy:
    """The rules. ScenarioError if a field that is handed on does not exist or is of another kind."""
    queues = tuple(
        _with(_queue_policy(queue), queue.rules, f"queues[{at}].rules")
        for at, queue in enumerate(scenario.queues, 1)
    )
    return _with(Policy(1, queues, scenario.exclusive), scenario.rules, "rules")


def _queue_policy(queue: Queue) -> QueuePolicy:
    return QueuePolicy(
        id=queue.id,
        target=micros(queue.target_s),
        ring=micros(queue.ring_s),
        wrap_up=micros(queue.wrap_up_s),
        decline_pause=micros(queue.decline_pause_s),
        priority=queue.priority,
    )


def agent_of(group: Group, name: str) -> Agent:
    """One of the group."""
    return _with(
        Agent(name, group.queues, group.skills, group.capacity), group.routing, f"{group.id}.routing"
    )


def item_of(kind: ContactType, name: str, queue: str, queued_at: int) -> WorkItem:
    """A contact of this kind that waits in the queue."""
    requires = tuple(Skill(skill, level) for skill, level in kind.requires.items())
    item = WorkItem(name, kind.medium, queue, queued_at, kind.priority, requires)
    return _with(item, kind.routing, f"{kind.id}.routing")


def check_rules(scenario: Scenario) -> None:
    """ScenarioError if the router does not know what is handed on to it, or the rules could not be published."""
    for fault in drafts.faults(policy_of(scenario)):
        raise ScenarioError(f"{fault.field}: {fault.says}.")
    for group in scenario.groups:
        agent_of(group, group.id)
    for kind in scenario.contacts:
        item_of(kind, kind.id, kind.queue, 0)


def _with(value: T, handed_on: Mapping[str, Any], where: str) -> T:
    if not handed_on:
        return value
    try:
        return codec.decode_as(type(value), {**codec.encode(value), **handed_on})
    except ValueError as error:
        raise ScenarioError(f"{where}: {error}.") from error


def decision_line(replication: int, decision: Decision, at: int) -> str:
    """The decision as a line of JSON; equal runs give equal lines."""
    said = {"replication": replication, "at": at, "decision": codec.encode(decision)}
    return json.dumps(said, sort_keys=True, separators=(",", ":")) + "\n"
