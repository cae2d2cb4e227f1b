"""An explanation as JSON for programs and as text for people."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from routing.ageing import PLAIN
from routing.codec import encode
from routing.decisions import Because
from routing.explain import Moment, Verdict
from service_desk.audit.explain import Explanation
from service_desk.clock import SECOND, Micros

SHOWN_MOST = 25
"""Excluded agents that the text lists; JSON has all."""
EXCLUSIONS: Final = {
    "waits_for_another": "it waits for {agent} ({why})",
    "not_in_queue": "does not serve {queue}",
    "skills": "it asks for {asked}; has {has}",
    "medium": "takes no {medium}",
    "away": "away ({reason})",
    "not_to_be_had": "the rows refused an offer to them, and nothing was heard of them since",
    "another_offer_rings": "{item} rings at them",
    "shift_over": "their shift is over since {since_s} s",
    "declined": "declined it, and may be asked again in {pause_s} s",
    "no_room": "no room beside {holds}",
}
"""Rules of `routing.explain`, in words."""
CALLBACKS: Final = {
    "dialled": "its customer is being called",
    "sleeps": "a callback whose turn is not near",
    "rests": "a callback that rests until its next try",
}
"""Its rule `callback`, by the state."""


# --- for programs ---------------------------------------------------------------------------------------


def document(found: Explanation, logins: Mapping[str, str], agent: str | None = None) -> dict[str, Any]:
    """Instants in microseconds. `agent`: the verdict on this one only."""
    moment = found.moment
    past = [
        {"offer": each.offer, "agent": _login(each.agent, logins), "state": each.state, "reason": each.reason}
        for each in found.past
    ]
    return {
        "subject": found.subject,
        "recomputed_equals_recorded": not found.differences,
        "differences": list(found.differences),
        "log": {"since": found.since, "step": found.seq, "compared": found.steps, "unread": found.unread},
        "outcome": found.outcome,
        "offers": past,
        "moment": None if moment is None else _moment(moment, logins, agent),
    }


def _moment(moment: Moment, logins: Mapping[str, str], agent: str | None) -> dict[str, Any]:
    plain = ("at", "medium", "queue", "state", "waited_ms", "position", "waiting", "rule")
    offer = moment.offer
    return {
        **{name: getattr(moment, name) for name in plain},
        "interaction": moment.item,
        "ahead": list(moment.ahead),
        "score": dict(moment.score),
        "asks": {**moment.asks, "only": _login(moment.asks["only"], logins)},
        "offered_to": None if offer is None else _login(offer.agent, logins),
        "offer": None if offer is None else encode(offer),
        "because": None if moment.because is None else dict(moment.because),
        "candidates": _verdicts(moment.candidates, logins, agent),
        "excluded": _verdicts(moment.others, logins, agent),
    }


def _verdicts(
    verdicts: tuple[Verdict, ...], logins: Mapping[str, str], agent: str | None
) -> list[dict[str, Any]]:
    return [
        {
            "agent": _login(each.agent, logins),
            "id": each.agent,
            "terms": dict(each.terms),
            "excluded": [_named(rule, logins) for rule in each.excluded],
        }
        for each in verdicts
        if agent is None or each.agent == agent
    ]


def _named(rule: Because, logins: Mapping[str, str]) -> dict[str, Any]:
    return {**rule, "agent": _login(rule["agent"], logins)} if "agent" in rule else dict(rule)


def _login(agent: object, logins: Mapping[str, str]) -> str | None:
    return None if agent is None else logins.get(str(agent), str(agent))


# --- for people -----------------------------------------------------------------------------------------


def text(found: Explanation, logins: Mapping[str, str], agent: str | None = None) -> str:
    """A paragraph for the item, one for the agents, one for what was compared."""
    parts = [] if found.moment is None else list(_paragraphs(found, found.moment, logins, agent))
    return "\n\n".join([*parts, _compared(found)])


def _paragraphs(
    found: Explanation, moment: Moment, logins: Mapping[str, str], agent: str | None
) -> Iterator[str]:
    yield "\n".join(_item(found, moment, logins))
    if agent is not None:
        yield _why_not(moment, agent, logins)
    else:
        yield "\n".join(_agents(moment, logins))
    others = [each for each in found.past if each.offer != found.subject]
    if others:
        words = ", ".join(
            f"{each.offer} to {_login(each.agent, logins)}: {each.state}"
            + (f" ({each.reason})" if each.reason else "")
            for each in others
        )
        yield f"Other offers of it: {words}."


def _item(found: Explanation, moment: Moment, logins: Mapping[str, str]) -> Iterator[str]:
    when = _instant(moment.at)
    if moment.offer is None:
        yield f"{moment.item} ({moment.medium}) {moment.state} in {moment.queue}, as of {when}."
    else:
        to = _login(moment.offer.agent, logins)
        yield f"{moment.item} ({moment.medium}) was offered to {to} at {when}: {found.outcome}."
    yield (
        f"  place {moment.position} of {moment.waiting} waiting in {moment.queue}, "
        f"after {moment.waited_ms / 1000:,.1f} s"
    )
    score = moment.score
    target, value = int(score["target_ms"] or 0) / 1000, int(score["value_ms"] or 0) / 1000
    yield (
        f"  key {score['key']} = arrival {score['queued_at']} + target {target:g} s "
        f"- priority {score['head_start_min']}{' (strict)' if score['order'] == 'strict' else ' min'} "
        f"- value {value:g} s; the smallest is first"
    )
    if score["slope_pct"] != PLAIN:
        yield f"  its class ages at {score['slope_pct']} %: the key is that of this moment"
    asks = moment.asks
    ring = f", after ring {asks['ring']}" if asks["ring"] else ""
    yield f"  asks for {asks['skills']}{ring}"
    if asks["only"] is not None:
        yield f"  waits for {_login(asks['only'], logins)} ({asks['why_only']})"
    if "promised_until" in asks:
        yield f"  the promise to call them lasts until {_instant(int(asks['promised_until'] or 0))}"
    if moment.ahead:
        more = (moment.position - 1) - len(moment.ahead)
        yield f"  before it: {', '.join(moment.ahead)}{f' and {more} more' if more > 0 else ''}"


def _instant(at: Micros) -> str:
    return f"{datetime.fromtimestamp(at / SECOND, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _agents(moment: Moment, logins: Mapping[str, str]) -> Iterator[str]:
    yield f"By the rule {moment.rule}, {len(moment.candidates)} could have it:"
    for number, each in enumerate(moment.candidates, 1):
        chosen = moment.offer is not None and each.agent == moment.offer.agent
        yield f"  {number}. {_login(each.agent, logins)}  {_terms(each)}{'  <- chosen' if chosen else ''}"
    if moment.others:
        yield f"{len(moment.others)} could not:"
    for each in moment.others[:SHOWN_MOST]:
        yield f"  {_login(each.agent, logins)}  {_words(each, logins)}"
    if len(moment.others) > SHOWN_MOST:
        yield f"  and {len(moment.others) - SHOWN_MOST} more: see --json"


def _why_not(moment: Moment, agent: str, logins: Mapping[str, str]) -> str:
    name, verdict = _login(agent, logins), moment.verdict(agent)
    if verdict is None:
        return f"The router did not know {name} then."
    if verdict.excluded:
        return f"{name} could not have it: {_words(verdict, logins)}."
    place = moment.candidates.index(verdict) + 1
    chosen = moment.offer is not None and moment.offer.agent == agent
    said = "was chosen" if chosen else "could have had it"
    return f"{name} {said}: number {place} of {len(moment.candidates)} by {moment.rule}, {_terms(verdict)}."


def _terms(verdict: Verdict) -> str:
    words = [f"idle {int(verdict.terms['idle_ms'] or 0) / 1000:,.1f} s"]
    words += [f"{name} {value}" for name, value in verdict.terms.items() if name != "idle_ms"]
    return ", ".join(words)


def _words(verdict: Verdict, logins: Mapping[str, str]) -> str:
    return "; ".join(_exclusion(rule, logins) for rule in verdict.excluded)


def _exclusion(rule: Because, logins: Mapping[str, str]) -> str:
    if rule["rule"] == "callback":
        return CALLBACKS[str(rule["state"])]
    seconds = {
        f"{name[:-3]}_s": int(value or 0) // 1000 for name, value in rule.items() if name.endswith("_ms")
    }
    return EXCLUSIONS[str(rule["rule"])].format(**{**_named(rule, logins), **seconds})


def _compared(found: Explanation) -> str:
    steps = f"{found.steps:,} step{'' if found.steps == 1 else 's'} of the log, {found.since} to {found.seq}"
    unread = (
        f" The router has not read {found.unread} newer command{'' if found.unread == 1 else 's'}."
        if found.unread
        else ""
    )
    if not found.differences:
        return f"Recomputed equals recorded: {steps}.{unread}"
    lines = "\n".join(f"  {each}" for each in found.differences)
    return f"Recomputed is NOT as recorded: {steps}.{unread}\n{lines}"
