"""Whether the parts of a scenario fit together: names that exist, and somebody for every contact."""

from collections.abc import Iterable

from routing.simulation.scenario import ContactType, Group, Scenario, ScenarioError


def check(scenario: Scenario) -> None:
    """ScenarioError with the field and the cure."""
    _unique("queues", [queue.id for queue in scenario.queues])
    _unique("contacts", [kind.id for kind in scenario.contacts])
    _unique("groups", [group.id for group in scenario.groups])
    queues = {queue.id for queue in scenario.queues}
    for at, group in enumerate(scenario.groups, 1):
        for queue in sorted(group.queues - queues):
            raise ScenarioError(
                f"groups[{at}].queues: there is no queue {queue!r}; add it or {_known(queues)}."
            )
    for at, kind in enumerate(scenario.contacts, 1):
        if kind.queue not in queues:
            raise ScenarioError(
                f"contacts[{at}].queue: there is no queue {kind.queue!r}; add it or {_known(queues)}."
            )
        _check_somebody_serves(scenario, at, kind)
        _check_transfers(scenario, at, kind)


def _unique(where: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ScenarioError(f"{where}: {name!r} stands there twice; rename one.")


def _known(names: Iterable[str]) -> str:
    return f"use one of {', '.join(sorted(names))}"


def may_serve(group: Group, kind: ContactType) -> bool:
    """Whether the group's agents could ever take such a contact."""
    return (
        kind.queue in group.queues
        and group.capacity.get(kind.medium, 0) > 0
        and all(group.skills.get(skill, 0) >= level for skill, level in kind.requires.items())
    )


def _check_somebody_serves(scenario: Scenario, at: int, kind: ContactType) -> None:
    if kind.routing or scenario.queue(kind.queue).rules:
        return  # rules of the router's own may ask for less than `requires`
    here = [group for group in scenario.groups if kind.queue in group.queues and any(group.heads)]
    if any(may_serve(group, kind) for group in here):
        return
    if not here:
        raise ScenarioError(
            f"contacts[{at}].queue: no group with heads serves {kind.queue!r}; add it to a group's queues."
        )
    if not any(group.capacity.get(kind.medium, 0) for group in here):
        raise ScenarioError(
            f"contacts[{at}].medium: no group of {kind.queue!r} has room for {kind.medium!r}; "
            "add it to a group's capacity."
        )
    needs = ", ".join(f"{skill} >= {level}" for skill, level in sorted(kind.requires.items()))
    raise ScenarioError(
        f"contacts[{at}].requires: no group of {kind.queue!r} has {needs}; lower it or add it to a group's skills."
    )


def _check_transfers(scenario: Scenario, at: int, kind: ContactType) -> None:
    by_id = {each.id: each for each in scenario.contacts}
    seen = {kind.id}
    while kind.transfer_to is not None:
        if kind.transfer_to not in by_id:
            raise ScenarioError(
                f"contacts[{at}].transfer.to: there is no contact {kind.transfer_to!r}; {_known(by_id)}."
            )
        if kind.transfer_to in seen:
            raise ScenarioError(
                f"contacts[{at}].transfer.to: leads back to {kind.transfer_to!r} in a circle; end it somewhere."
            )
        seen.add(kind.transfer_to)
        kind = by_id[kind.transfer_to]
