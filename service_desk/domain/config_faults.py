"""What is wrong with a configuration between its fields: every fault, each with the configuration's own field name."""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from routing import drafts
from routing.model import Agent, Skill, WorkItem
from routing.requirements import parse
from service_desk.domain.contact_point import fold_phone
from service_desk.domain.media import Channel

if TYPE_CHECKING:  # the configuration asks for its faults
    from service_desk.domain.config import DeskConfig, PhoneLine

Problem = tuple[str, str]
"""The field, and what is wrong with it or the cure."""

MEDIA_OF: Final[dict[str, Channel]] = {
    "phone_lines": "phone",
    "widgets": "web_chat",
    "mailboxes": "email",
    "text_lines": "sms",
}
"""By which medium contacts come in, by the first part of the field."""

FIELDS: Final = {
    name: f"{name}_s"
    for name in (
        "target",
        "ring",
        "wrap_up",
        "decline_pause",
        "after",
        "value_weight",
        "value_cap",
        "shift_margin",
        "answer",
        "pause",
        "within",
    )
} | {"any_of": "requires", "lasts": "lasts_h"}
"""The router's names of fields, and ours."""
USUAL_LASTS_H: Final = 72
"""So long the promise of a callback holds where nothing is said, in hours."""


class ConfigFaults(ValueError):
    """A configuration that cannot be; `problems` has them all."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{field}: {says}" for field, says in problems))
        self.problems = tuple(problems)

    @staticmethod
    def into(gathered: list[Problem]) -> dict[str, Any]:
        """The validation's context for somebody who wants the configuration with its faults beside it."""
        return {"faults": gathered}

    @classmethod
    def tell(cls, found: Sequence[Problem], context: dict[str, Any] | None) -> None:
        """Raise them if there are any, unless they are gathered."""
        if context is not None:
            context["faults"] += found
        elif found:
            raise cls(found)


def faults_of(config: "DeskConfig") -> list[Problem]:
    """All that is wrong with it in itself."""
    found = [*_names(config), *_overflow_steps(config), *_callbacks(config), *_shifts(config)]
    found += _requirements(config)
    return [*found, *in_our_words(drafts.faults(readable(config).policy(), media=get_args(Channel)))]


def readable(config: "DeskConfig") -> "DeskConfig":
    """Without the requirements that cannot be read: the router's policy can be made of it, and asks for less."""
    unreadable = {field for field, _ in _requirements(config)}
    if not unreadable:
        return config
    queues = [
        queue.model_copy(update={"requires": ""}) if f"queues.{queue.id}.requires" in unreadable else queue
        for queue in config.queues
    ]
    return config.model_copy(update={"queues": queues})


def unservable(config: "DeskConfig", agents: Sequence[Agent]) -> list[Problem]:
    """Skills that nobody has, and queues and ways in whose contacts nobody can serve. `agents`: all who are here."""
    skills = sorted({skill for agent in agents for skill in agent.skills})
    ways = dict[str, str]()
    for where, queue in config.ways_in():
        ways.setdefault(queue, where)
    found = drafts.faults(config.policy(), skills=skills, agents=agents)
    own = drafts.faults(config.policy())
    problems: list[Problem] = []
    for field, says in in_our_words([fault for fault in found if fault not in own]):
        queue = field.removeprefix("queues.")
        if queue in {each.id for each in config.queues}:  # a whole queue: one that is being set up may wait
            if queue in ways:
                problems.append((field, f"{says}; contacts come to it by {ways[queue]}"))
        else:
            problems.append((field, says))
    reported = {field for field, _ in problems}
    return [*problems, *_ways_to_nobody(config, agents, reported)]


def _ways_to_nobody(
    config: "DeskConfig", agents: Sequence[Agent], reported: Collection[str]
) -> Iterator[Problem]:
    """Ways in whose contacts nobody could have: by their medium, its weight, or their skills and the queue's.

    Not those to a queue of `reported`, which nobody can serve at all.
    """
    policy = config.policy()
    for where, queue in config.ways_in():
        contact = _contact_by(config, where, queue)
        if f"queues.{queue}" not in reported and not drafts.serves(policy, contact, agents):
            skills = " and ".join(f"{skill.name}>={skill.level}" for skill in contact.requires)
            asks = f" that asks for {skills}" if skills else ""
            says = (
                f"nobody of queue {queue!r} could ever have a {contact.medium} contact{asks}, and nothing leaves "
                f"the queue; give somebody the capacity, units and skills, or the queue an overflow step"
            )
            yield where, says


def _contact_by(config: "DeskConfig", where: str, queue: str) -> WorkItem:
    """Like those that come by this way in."""
    lines = [line for line in config.phone_lines if where.startswith(f"phone_lines.{line.account}.")]
    skills = sorted(lines[0].requires.items()) if lines else []
    requires = tuple(Skill(name, level) for name, level in skills)
    return WorkItem(where, MEDIA_OF[where.partition(".")[0]], queue, 0, requires=requires)


def in_our_words(faults: Sequence[drafts.Fault]) -> Iterator[Problem]:
    """The router's faults with the configuration's names."""
    for fault in faults:
        path, dot, name = fault.field.rpartition(".")
        yield f"{path}{dot}{FIELDS.get(name, name)}", fault.says


def _names(config: "DeskConfig") -> Iterator[Problem]:
    """Every queue that is named exists, and the time zone is known; no id stands twice."""
    try:
        ZoneInfo(config.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield "time_zone", f"{config.time_zone!r} is not known; write it like Europe/Berlin"
    queues = {queue.id for queue in config.queues}
    for name in _twice([rule.id for rule in config.alerts]):
        yield "alerts", f"an id stands twice: {name}"
    for where, queue in [*config.ways_in(), *config.watched()]:
        if queue not in queues:
            yield where, f"there is no queue {queue!r}"


def _twice(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _overflow_steps(config: "DeskConfig") -> Iterator[Problem]:
    """What a step looks at is said: nobody means "at once" or "if anybody waits" by leaving it out."""
    for queue in config.queues:
        for number, step in enumerate(queue.overflow):
            at = f"queues.{queue.id}.overflow.{number}"
            if step.when == "wait" and step.after_s is None:
                yield f"{at}.after_s", "is missing: say after how many seconds of waiting"
            if step.when == "size" and step.size is None:
                yield f"{at}.size", "is missing: say how many others wait then"


def _callbacks(config: "DeskConfig") -> Iterator[Problem]:
    """Customers can be called back: by a rule, from a number of ours, where callers come to at all."""
    for queue in config.queues:
        at, rule = f"queues.{queue.id}", queue.callback
        for number, step in enumerate(queue.overflow):
            if step.to == "callback" and rule is None:
                yield (
                    f"{at}.overflow.{number}.to",
                    "needs the queue's callback: say there how customers are called",
                )
        if rule is None:
            continue
        if rule.first == "agent" and (rule.position != 1 or rule.within_s):
            field = "position" if rule.position != 1 else "within_s"
            yield f"{at}.callback.{field}", 'counts only where first = "customer"; leave it out'
        # The default is not refused: rules that were published before there was such an end go on to count.
        if rule.lasts_h != USUAL_LASTS_H and rule.lasts_h * 3_600 <= (rule.tries - 1) * rule.pause_s:
            yield (
                f"{at}.callback.lasts_h",
                f"is over before the last of {rule.tries} tries, which come every {rule.pause_s} s: raise it",
            )
        lines = _lines_to(config, queue.id)
        if not lines:
            yield (
                f"{at}.callback",
                "no phone line leads to this queue: nobody could be called back; lead one to it, or leave it out",
            )
        for line in lines:
            if fold_phone(line.number) is None:
                yield (
                    f"phone_lines.{line.account}.number",
                    f"is no number to call back from, as queue {queue.id!r} does; write it like +14155550100",
                )


def _lines_to(config: "DeskConfig", queue_id: str) -> list["PhoneLine"]:
    """The phone lines whose callers may come to a queue, also from other queues."""
    reached = {queue_id}
    for _ in config.queues:
        more = {q.id for q in config.queues if any(step.queue in reached for step in q.overflow)} - reached
        if not more:
            break
        reached |= more
    return [
        line
        for line in config.phone_lines
        if reached & {line.default_queue, *(option.queue for option in line.options)}
    ]


def _requirements(config: "DeskConfig") -> Iterator[Problem]:
    for queue in config.queues:
        field = f"queues.{queue.id}.requires"
        try:
            if queue.requires:
                parse(queue.requires, field)
        except ValueError as error:
            yield field, str(error).removeprefix(f"{field}: ")


def _shifts(config: "DeskConfig") -> Iterator[Problem]:
    for login, hours in config.shifts.items():
        yield from drafts.hours_faults(hours.for_router(), f"shifts.{login}")
