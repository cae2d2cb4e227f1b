"""What each command does. A fact that is known already, or speaks of something unknown, changes nothing."""

from collections.abc import Callable
from typing import Any, Final

from routing import callbacks, reasons, roster
from routing import timers as timer_kinds
from routing.commands import (
    AgentAway,
    AgentChanged,
    AgentGone,
    AgentReady,
    DecisionRefused,
    OfferAccepted,
    OfferDeclined,
    PolicyChanged,
    Tick,
    WorkChanged,
    WorkEnded,
    WorkQueued,
    WorkTaken,
    WrapUpEnded,
    WrapUpStarted,
)
from routing.decisions import (
    AgentBenched,
    CallbackExpired,
    CallbackMissed,
    CustomerDialled,
    OfferExpired,
    OfferMade,
    OfferWithdrawn,
    Overflowed,
    WrapUpExpired,
)
from routing.model import Agent, AwayReason, Offer, WorkItem
from routing.overflow import spent_name
from routing.records import PARKED, SERVED, WAITING, WRAP_UP, AgentRecord, ItemRecord
from routing.timers import Timer
from routing.turn import Turn

NO_ANSWER: Final[AwayReason] = "no_answer"
SIGNED_OUT: Final[AwayReason] = "signed_out"

# --- work -----------------------------------------------------------------------------------------------


def work_queued(turn: Turn, command: WorkQueued) -> None:
    """Into the line; out of wherever it was, unless it stands there just so already."""
    item = command.item
    record = turn.floor.items.get(item.id)
    if record is None:
        record = turn.floor.add(item, command.attempts)
    else:
        record.attempts = max(record.attempts, command.attempts)
        if record.item == item and _stands_already(record, command.attempts):
            return
        turn.vacate(record, "queued_again")
        record.item = item
    turn.enqueue(record)
    if record.line.policy.overflow:
        turn.arrived.add(item.id)


def _stands_already(record: ItemRecord, attempts: int) -> bool:
    """Whether being queued is no news. If it rings, an offer that the row does not count yet is younger than it."""
    if record.offer is not None:
        return attempts < record.offer.attempt
    return record.place is WAITING


def work_changed(turn: Turn, command: WorkChanged) -> None:
    """Another place in the line; what somebody serves is no longer waiting and stays as it is."""
    record = turn.floor.items.get(command.item.id)
    if record is None or record.item == command.item:
        return
    if record.offer is not None:
        _change_offered(turn, record, record.offer, command.item)
    elif record.place is WAITING:
        turn.floor.take_from_line(record)
        record.item = command.item
        turn.enqueue(record)
    elif record.place is PARKED:
        record.item = command.item


def _change_offered(turn: Turn, record: ItemRecord, offer: Offer, item: WorkItem) -> None:
    agent = turn.floor.agents[offer.agent]
    agent.let_go(record)  # the medium may be another one now
    turn.floor.reline(record, item)
    agent.hold(record)
    turn.recheck(agent, "item_changed")


def work_taken(turn: Turn, command: WorkTaken) -> None:
    """Away from whoever had it; who takes it needs neither room for it nor a skill."""
    item = command.item
    record = turn.floor.items.get(item.id)
    if record is None:
        record = turn.floor.add(item)
    elif record.place is SERVED and record.owner == command.agent:
        return
    else:
        turn.learn_patience(record, gave_up=False)
        turn.vacate(record, "taken")
        record.item = item
    turn.give(record, command.agent)


def work_ended(turn: Turn, command: WorkEnded) -> None:
    """Out of everything."""
    record = turn.floor.items.get(command.item)
    if record is None:
        return
    if record.place is SERVED:
        turn.free(record)
    else:
        turn.learn_patience(record, gave_up=True)
        turn.vacate(record, "ended")
    turn.floor.forget(record)


# --- agents ---------------------------------------------------------------------------------------------


def agent_ready(turn: Turn, command: AgentReady) -> None:
    """Ready whatever was before; an offer that rings already stays if it is still allowed."""
    agent = turn.floor.agent(command.agent.id)
    agent.idle_since = command.idle_since
    turn.unbench(agent)
    _introduce(turn, agent, command.agent)


def agent_changed(turn: Turn, command: AgentChanged) -> None:
    """A stranger is introduced by it too: not ready, but somebody who could take work."""
    _introduce(turn, turn.floor.agent(command.agent.id), command.agent)


def _introduce(turn: Turn, record: AgentRecord, agent: Agent) -> None:
    if record.agent.queues:
        turn.left |= record.agent.queues - agent.queues
    roster.enrol(turn.floor, record, agent)
    record.blocked = False
    turn.recheck(record, "agent_changed")


def agent_away(turn: Turn, command: AgentAway) -> None:
    """No offers; a stranger stays unknown."""
    agent = turn.floor.agents.get(command.agent)
    if agent is not None:
        agent.missed = 0  # who comes back by their own word begins anew; who was only lost does not
    _stop(turn, command.agent, command.reason, "agent_away")


def agent_gone(turn: Turn, command: AgentGone) -> None:
    """No offers; the agent is still somebody who could take work some day."""
    _stop(turn, command.agent, SIGNED_OUT, "agent_gone")


def _stop(turn: Turn, name: str, reason: AwayReason, rule: str) -> None:
    agent = turn.floor.agents.get(name)
    if agent is not None:
        agent.ready = False
        agent.reason = reason
        agent.blocked = False
        agent.benched_by = None
        turn.recheck(agent, rule)


# --- offers ---------------------------------------------------------------------------------------------


def offer_accepted(turn: Turn, command: OfferAccepted) -> None:
    """The agent has the item, even if it rings at somebody else by now."""
    record = turn.floor.items.get(command.item)
    if record is None:
        return
    offer = record.offer
    if offer is not None and offer.id == command.offer and offer.agent == command.agent:
        turn.learn_patience(record, gave_up=False)
        agent = turn.floor.accept(record, offer)
        agent.missed = 0
        turn.touch(agent)
    elif _is_late(record, command):
        turn.learn_patience(record, gave_up=False)
        _lift_bench(turn, command)
        turn.vacate(record, "accepted_by_another")
        del record.late[command.offer]
        turn.give(record, command.agent)


def offer_declined(turn: Turn, command: OfferDeclined) -> None:
    """Back into the line for the others."""
    record = turn.floor.items.get(command.item)
    if record is None:
        return
    if record.offer is not None and _is_pending(record, command):
        turn.floor.put_back(record, record.offer)
        turn.items.append(record)
    elif _is_late(record, command):
        _lift_bench(turn, command)
        del record.late[command.offer]
    else:
        return
    pause = record.line.policy.decline_pause
    turn.floor.pause(record, command.agent, turn.floor.now + pause)
    agent = turn.floor.agent(command.agent)
    agent.blocked = False
    agent.missed = 0
    turn.touch(agent)


def _is_pending(record: ItemRecord, command: OfferAccepted | OfferDeclined) -> bool:
    offer = record.offer
    return offer is not None and offer.id == command.offer and offer.agent == command.agent


def _is_late(record: ItemRecord, command: OfferAccepted | OfferDeclined) -> bool:
    """Whether it answers an offer that we closed and had no answer to; the item is nobody's since."""
    return not record.owner and record.late.get(command.offer) == command.agent


def _lift_bench(turn: Turn, command: OfferAccepted | OfferDeclined) -> None:
    agent = turn.floor.agent(command.agent)
    agent.missed = 0
    if agent.benched_by == command.offer:
        turn.unbench(agent)


def decision_refused(turn: Turn, command: DecisionRefused) -> None:
    """Undo what only we believed.

    For the other kinds there is nothing to undo: the fact that closed the offer or ended the wrap-up says
    itself what is true, and is believed even if we decided otherwise.
    """
    match command.decision:
        case OfferMade(offer=offer):
            _undo_offer(turn, offer, command.reason)
        case AgentBenched(agent=name, offer=offer_id):
            agent = turn.floor.agents.get(name)
            if agent is not None and agent.benched_by == offer_id:
                turn.unbench(agent)
                agent.blocked = command.reason == "agent"
        case Overflowed(item=item, queue=queue, because=because):
            _undo_overflow(
                turn, item, spent_name(queue, str(because["when"]), str(because["to"])), command.reason
            )
        case CustomerDialled(item=item):
            _undo_dial(turn, item, command.reason)
        case CallbackMissed(item=item, gave_up=True):
            _undo_giving_up(turn, item, command.reason)
        case CallbackExpired(item=item):
            _undo_expiry(turn, item, command.reason)
        case _:
            pass


def _undo_dial(turn: Turn, item: str, reason: str) -> None:
    """Nobody is being dialled. If the item is gone a fact about it follows; else it rests, and its turn comes again."""
    record = turn.floor.items.get(item)
    if record is None or record.place is not WAITING:
        return
    callback = record.item.callback
    if callback is None or callback.dialled_at is None:
        return
    turn.floor.take_from_line(record)
    if reason != "item":
        record.item = callbacks.rested(record.item, callbacks.rule_of(record.line.policy), turn.floor.now)
        turn.enqueue(record)


def _undo_giving_up(turn: Turn, item: str, reason: str) -> None:
    """Nobody gave the callback up: unless the item itself is gone it rests in its place, and is tried again."""
    record = turn.floor.items.get(item)
    if record is None or record.place is not PARKED or reason == "item":
        return
    if record.item.callback is not None:
        record.item = callbacks.rested(record.item, callbacks.rule_of(record.line.policy), turn.floor.now)
    turn.enqueue(record)


def _undo_expiry(turn: Turn, item: str, reason: str) -> None:
    """The promise holds on, without an end of its own, unless the item itself is gone."""
    record = turn.floor.items.get(item)
    if record is None or record.place is not PARKED or reason == "item":
        return
    record.spent = (*record.spent, callbacks.PROMISE_KEPT)
    turn.enqueue(record)


def _undo_overflow(turn: Turn, item: str, step: str, reason: str) -> None:
    """Back into its queue, unless the item itself is gone; a move to another queue stands."""
    record = turn.floor.items.get(item)
    if record is None or record.place is not PARKED or reason == "item":
        return
    record.spent = (*record.spent, step)
    turn.enqueue(record)


def _undo_offer(turn: Turn, offer: Offer, reason: str) -> None:
    record = turn.floor.items.get(offer.item)
    if record is None or record.offer != offer:
        return
    agent = turn.floor.agents[offer.agent]
    if reason == "item":
        turn.floor.take_from_line(record)
        turn.floor.expect_late_answer(record, offer)
        turn.touch(agent)
    else:
        turn.put_back(record, offer)
        agent.blocked = reason == "agent"


# --- wrap-up ------------------------------------------------------------------------------------------------


def wrap_up_started(turn: Turn, command: WrapUpStarted) -> None:
    """Of what the agent serves; told again with another end, that one counts."""
    record = turn.floor.items.get(command.item)
    if record is None or record.owner != command.agent:
        return
    if record.place is SERVED or record.until != command.until:
        turn.floor.wrap_up(record, command.until)


def wrap_up_ended(turn: Turn, command: WrapUpEnded) -> None:
    """The item is over."""
    record = turn.floor.items.get(command.item)
    if record is not None and record.place is WRAP_UP and record.owner == command.agent:
        turn.free(record)
        turn.floor.forget(record)


# --- rules and time -------------------------------------------------------------------------------------


def policy_changed(turn: Turn, command: PolicyChanged) -> None:
    """A version that is older than ours comes too late."""
    policy, ours = command.policy, turn.floor.rules.policy
    if policy != ours and policy.version >= ours.version:
        turn.floor.change_policy(policy)
        _look_at_everything(turn, "policy_changed")


def tick(turn: Turn, _command: Tick) -> None:
    """First everything that is due ends, in the order of the deadlines, then what got free is matched."""
    floor = turn.floor
    turn.ticked = True
    for timer in floor.timers.due(floor.now):
        if floor.is_live(timer):
            _end(turn, timer)
    if floor.match_due:
        floor.match_due = False
        for offer in floor.orphans:
            turn.out.append(OfferWithdrawn(offer, reasons.of_close(floor, offer, "not_possible")))
        floor.orphans = []
        _look_at_everything(turn, "not_possible")


def _end(turn: Turn, timer: Timer) -> None:
    record = turn.floor.items[timer.item]
    if record.offer is not None and timer.kind == timer_kinds.OFFER:
        _expire(turn, record, record.offer)
    elif timer.kind == timer_kinds.WRAP_UP:
        because = reasons.of_wrap_up(turn.floor, record)
        turn.out.append(WrapUpExpired(timer.item, timer.agent, because))
        turn.free(record)
        turn.floor.forget(record)
    else:
        agent = turn.floor.agents[timer.agent]
        turn.floor.end_pause(record, agent)
        turn.touch(agent)


def _expire(turn: Turn, record: ItemRecord, offer: Offer) -> None:
    """Back into its line; the agent is benched if that was one too many, else they are not asked for it for a while."""
    turn.close_offer(record, offer, OfferExpired, NO_ANSWER)
    agent = turn.floor.agents[offer.agent]
    agent.missed += 1
    most = turn.floor.rules.policy.bench_after
    if most > 1:
        turn.floor.pause(record, offer.agent, turn.floor.now + record.line.policy.decline_pause)
    if agent.missed < most:
        return
    agent.ready = False
    agent.reason = NO_ANSWER
    agent.benched_by = offer.id
    because = reasons.of_bench(turn.floor, offer, agent)
    agent.missed = 0
    turn.out.append(AgentBenched(offer.agent, NO_ANSWER, offer.id, because))


def _look_at_everything(turn: Turn, rule: str) -> None:
    floor = turn.floor
    for name in sorted(floor.agents):
        turn.recheck(floor.agents[name], rule)
    turn.items = [record for record in floor.items.values() if record.place is WAITING]


FOLLOW: Final[dict[type, Callable[[Turn, Any], None]]] = {
    WorkQueued: work_queued,
    WorkChanged: work_changed,
    WorkTaken: work_taken,
    WorkEnded: work_ended,
    AgentReady: agent_ready,
    AgentChanged: agent_changed,
    AgentAway: agent_away,
    AgentGone: agent_gone,
    OfferAccepted: offer_accepted,
    OfferDeclined: offer_declined,
    DecisionRefused: decision_refused,
    WrapUpStarted: wrap_up_started,
    WrapUpEnded: wrap_up_ended,
    PolicyChanged: policy_changed,
    Tick: tick,
}
