"""Conferences as the provider runs them: who is in, who hears whom, when it starts and why it ends."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from channels.simulator.legs import API_VERSION, Leg
from channels.simulator.pace import new_sid, now_us, rfc2822

EVENT_WORDS: Mapping[str, str] = {
    "conference-start": "start",
    "conference-end": "end",
    "participant-join": "join",
    "participant-leave": "leave",
    "participant-mute": "mute",
    "participant-unmute": "mute",
    "participant-hold": "hold",
    "participant-unhold": "hold",
    "participant-modify": "modify",
}
"""Which word in statusCallbackEvent subscribes to an event."""


class ConferenceStatus(StrEnum):
    """A conference's life."""

    INIT = "init"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Joining:
    """How a leg enters, as its <Conference> says."""

    label: str | None = None
    muted: bool = False
    start_on_enter: bool = True
    end_on_exit: bool = False
    wait_url: str | None = None
    wait_method: str = "POST"
    max_participants: int = 250
    callback: str | None = None
    callback_events: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Participant:
    """A leg in a conference."""

    leg: Leg
    conference: "Conference"
    joining: Joining
    joined_at: int
    muted: bool
    end_on_exit: bool
    hold: bool = False
    coaching: bool = False
    coached_call: str | None = None
    released: "asyncio.Future[str]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    treatment: "asyncio.Task[None] | None" = None

    def treat(self, task: "asyncio.Task[None] | None") -> None:
        """What is heard instead of the conference: music while waiting or held, or an announcement."""
        if self.treatment is not None:
            self.treatment.cancel()
        self.treatment = task


Notify = Callable[["Conference", str, Mapping[str, str]], None]


class Conference:
    """One conference. All changes happen on the loop, between two awaits."""

    def __init__(
        self, account_sid: str, name: str, callback: str | None, events: frozenset[str], notify: Notify
    ) -> None:
        self.sid = new_sid("CF")
        self.account_sid = account_sid
        self.name = name
        self.status = ConferenceStatus.INIT
        self.created_at = self.updated_at = now_us()
        self.participants: dict[str, Participant] = {}
        self.reason_ended: str | None = None
        self.ended_by: Leg | None = None
        self.callback = callback
        self._events = events
        self._sequence = 0
        self._notify = notify

    def join(self, leg: Leg, joining: Joining) -> Participant:
        """A leg enters. ValueError when the label is taken or the conference full."""
        taken = {participant.joining.label for participant in self.participants.values()} - {None}
        if joining.label in taken:
            raise ValueError(f"the label {joining.label!r} is taken")
        if len(self.participants) >= joining.max_participants:
            raise ValueError("the conference is full")
        participant = Participant(leg, self, joining, now_us(), joining.muted, joining.end_on_exit)
        self.participants[leg.sid] = participant
        leg.participant = participant
        self._tell("participant-join", participant)
        leg.ear.hear("conference", joined=True, name=self.name, started=self.live)
        if joining.start_on_enter and self.status is ConferenceStatus.INIT:
            self._start()
        return participant

    @property
    def live(self) -> bool:
        """Whether its people hear each other."""
        return self.status is ConferenceStatus.IN_PROGRESS

    def leave(self, participant: Participant, reason: str, *, kicked: bool = False) -> None:
        """A participant goes; the conference may end by that. Repeated, it does nothing."""
        if self.participants.get(participant.leg.sid) is not participant:
            return
        self._take_out(participant, reason)
        manner = "kicked" if kicked else "left"
        if participant.end_on_exit:
            self.end(f"participant-with-end-conference-on-exit-{manner}", participant)
        elif not self.participants:
            self.end(f"last-participant-{manner}", participant)

    def end(self, reason: str, by: Participant | None = None) -> None:
        """Over: everybody is let go. Repeated, it does nothing."""
        if self.status is ConferenceStatus.COMPLETED:
            return
        for participant in list(self.participants.values()):
            self._take_out(
                participant, "conference_ended_via_api" if by is None else "moderator_ended_conference"
            )
        self.status = ConferenceStatus.COMPLETED
        self.reason_ended, self.updated_at = reason, now_us()
        facts = {"ReasonConferenceEnded": reason, "Reason": reason.replace("-", " ")}
        if by is not None:
            self.ended_by = by.leg
            facts["CallSidEndingConference"] = by.leg.sid
            if by.joining.label:
                facts["ParticipantLabelEndingConference"] = by.joining.label
        self._tell("conference-end", None, facts)

    def set_muted(self, participant: Participant, *, muted: bool) -> None:
        """Mute or unmute; no event when nothing changes."""
        if participant.muted != muted:
            participant.muted = muted
            self._tell("participant-mute" if muted else "participant-unmute", participant)

    def set_hold(self, participant: Participant, *, hold: bool) -> None:
        """Hold or resume; no event when nothing changes."""
        if participant.hold != hold:
            participant.hold = hold
            participant.leg.ear.hear("hold", on=hold)
            self._tell("participant-hold" if hold else "participant-unhold", participant)

    def set_coaching(self, participant: Participant, *, coaching: bool, coached_call: str | None) -> None:
        """Whisper to one participant only, or stop that."""
        participant.coaching, participant.coached_call = coaching, coached_call if coaching else None
        self._tell("participant-modify", participant)

    def say(self, speaker: Leg, text: str) -> list[str]:
        """A participant speaks; returns the call ids of those who hear it."""
        participant = self.participants.get(speaker.sid)
        if participant is None or not self.live or participant.muted or participant.hold:
            return []
        listeners = [
            other.leg
            for other in self.participants.values()
            if other is not participant
            and not other.hold
            and (not participant.coaching or other.leg.sid == participant.coached_call)
        ]
        for leg in listeners:
            leg.ear.hear(
                "heard", speaker=participant.joining.label or speaker.identity or speaker.caller, text=text
            )
        return [leg.sid for leg in listeners]

    def _start(self) -> None:
        self.status = ConferenceStatus.IN_PROGRESS
        self.updated_at = now_us()
        self._tell("conference-start", None)
        for participant in self.participants.values():
            participant.treat(None)
            participant.leg.ear.hear("conference", joined=True, name=self.name, started=True)

    def _take_out(self, participant: Participant, reason: str) -> None:
        leg = participant.leg
        del self.participants[leg.sid]
        leg.participant = None
        participant.treat(None)
        self.updated_at = now_us()
        if not participant.released.done():
            participant.released.set_result(reason)
        leg.ear.hear("conference", joined=False, name=self.name, reason=reason)
        status = "completed" if reason == "participant_hung_up" else leg.status.value
        self._tell(
            "participant-leave",
            participant,
            {"ReasonParticipantLeft": reason, "ParticipantCallStatus": status},
        )

    def _tell(
        self, event: str, participant: Participant | None, facts: Mapping[str, str] | None = None
    ) -> None:
        if self.callback is None or EVENT_WORDS[event] not in self._events:
            return
        form = {
            "AccountSid": self.account_sid,
            "ApiVersion": API_VERSION,
            "ConferenceSid": self.sid,
            "FriendlyName": self.name,
            "SequenceNumber": str(self._sequence),
            "StatusCallbackEvent": event,
            "Timestamp": rfc2822(now_us()),
            **(facts or {}),
        }
        if participant is not None:
            form |= _participant_form(participant)
        self._sequence += 1
        self._notify(self, event, form)


def _participant_form(participant: Participant) -> dict[str, str]:
    flags = {
        "Coaching": participant.coaching,
        "EndConferenceOnExit": participant.end_on_exit,
        "Hold": participant.hold,
        "Muted": participant.muted,
        "StartConferenceOnEnter": participant.joining.start_on_enter,
    }
    form = {"CallSid": participant.leg.sid, **{name: str(flag).lower() for name, flag in flags.items()}}
    if participant.joining.label:
        form["ParticipantLabel"] = participant.joining.label
    if participant.coached_call:
        form["CallSidToCoach"] = participant.coached_call
    return form
