"""The same centre with other staff or rules, to be compared with it."""

import re
import tomllib
from collections import Counter
from dataclasses import replace

from routing.simulation.scenario import Group, Scenario, ScenarioError
from routing.simulation.scenario_file import read_queue
from routing.simulation.table import Table
from routing.simulation.translate import check_rules


def with_agents(scenario: Scenario, change: str) -> Scenario:
    """More or fewer heads, in every interval with heads: "sales=+2" in the group named.

    "+2" or "-1" without a name is spread: a head each in the groups that have most hours, in turn. ScenarioError
    if it cannot be read or there is no such group.
    """
    read = re.fullmatch(r"(?:(?P<group>[^=]+)=)?(?P<sign>[+-])(?P<count>\d{1,5})", change)
    if read is None:
        raise ScenarioError(f"--agents: {change!r} is not like +2, -1 or sales=+2.")
    names = [group.id for group in sorted(scenario.groups, key=lambda group: -sum(group.heads))]
    if read["group"] is not None:
        if read["group"] not in names:
            raise ScenarioError(
                f"--agents: there is no group {read['group']!r}; there are {', '.join(names)}."
            )
        names = [read["group"]]
    sign = 1 if read["sign"] == "+" else -1
    by = Counter(names[at % len(names)] for at in range(int(read["count"])))
    groups = tuple(_resized(group, sign * by[group.id]) for group in scenario.groups)
    return replace(scenario, groups=groups)


def _resized(group: Group, by: int) -> Group:
    return replace(group, heads=tuple(max(count + by, 0) if count else 0 for count in group.heads))


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
    changed = replace(scenario, queues=tuple(rules.values()))
    check_rules(changed)
    return changed
