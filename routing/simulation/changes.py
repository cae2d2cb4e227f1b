"""The same centre with other staff or rules, to be compared with it."""

import re
import tomllib
from dataclasses import replace

from routing.simulation.scenario import Group, Scenario, ScenarioError
from routing.simulation.scenario_file import read_queue
from routing.simulation.table import Table


def with_agents(scenario: Scenario, change: str) -> Scenario:
    """More or fewer heads: "+2" or "-1" in the only group, "sales=+2" in the one named, in every interval with heads.

    ScenarioError if it cannot be read or there is no such group.
    """
    read = re.fullmatch(r"(?:(?P<group>[^=]+)=)?(?P<by>[+-]\d{1,5})", change)
    if read is None:
        raise ScenarioError(f"--agents: {change!r} is not like +2, -1 or sales=+2.")
    names = [group.id for group in scenario.groups]
    wanted = read["group"] or (names[0] if len(names) == 1 else None)
    if wanted not in names:
        raise ScenarioError(
            f"--agents: name the group like {names[0]}={read['by']}; there are {', '.join(names)}."
        )
    by = int(read["by"])

    def changed(group: Group) -> Group:
        if group.id != wanted:
            return group
        return replace(group, heads=tuple(max(count + by, 0) if count else 0 for count in group.heads))

    return replace(scenario, groups=tuple(map(changed, scenario.groups)))


def with_policy(scenario: Scenario, text: str) -> Scenario:
    """Other rules for the queues that this TOML names, in the form of a scenario's [[queues]].

    What a table leaves out stays as the queue has it. ScenarioError with the field and the cure.
    """
    try:
        top = Table(tomllib.loads(text), "")
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"The policy is no TOML: {error}.") from error
    rules = {queue.id: queue for queue in scenario.queues}
    for table in top.tables("queues"):
        name = table.text("id")
        if name not in rules:
            raise table.wrong("id", f"there is no queue {name!r}; there are {', '.join(rules)}")
        rules[name] = read_queue(table, rules[name])
    top.done()
    return replace(scenario, queues=tuple(rules.values()))
