"""What consoles that connect or missed something are told: the steps from where they are, or the whole.

For many consoles at a time, since they come back together: the log is read once for all of them.
"""

from collections.abc import Mapping
from typing import Any

from service_desk.domain.views import FrameView, SnapshotView
from service_desk.queries import live
from service_desk.storage.store import Reader

Wanted = Mapping[str, tuple[str, Any]]
"""Console -> (agent, the position that it says it has)."""


def catch_up(reader: Reader, wanted: Wanted, furthest: int) -> dict[str, FrameView | SnapshotView]:
    """For each console one frame up to the head, or the whole.

    The whole for those who are more than `furthest` events behind, before what the log reaches back to, or say
    something that is no position.
    """
    head = live.head(reader)
    near = {
        console: (agent_id, after)
        for console, (agent_id, after) in wanted.items()
        if type(after) is int and after > 0 and head - furthest <= after <= head  # True is no position
    }
    steps = _steps(reader, near, head)
    whole = {agent_id for console, (agent_id, _) in wanted.items() if console not in steps}
    snapshots = live.snapshots(reader, whole)
    return {
        console: steps[console] if console in steps else snapshots[agent_id]
        for console, (agent_id, _) in wanted.items()
    }


def _steps(reader: Reader, near: Mapping[str, tuple[str, int]], head: int) -> dict[str, FrameView]:
    """A frame for each console whose position the log still reaches back to."""
    if not near:
        return {}
    first = min(after for _, after in near.values())
    events = live.events_after(reader, first, head - first) if first < head else []
    archived = events[0].position - 1 if events else head
    agents = {agent_id for agent_id, after in near.values() if after >= archived}
    frames = live.frames(reader, events, agents, prev=dict.fromkeys(agents, first)) if events else {}
    return {
        console: _from(frames.get(agent_id), after, head)
        for console, (agent_id, after) in near.items()
        if after >= archived
    }


def _from(frame: FrameView | None, after: int, head: int) -> FrameView:
    """The frame of somebody who was further behind, as it is from `after` on: what it puts and drops is of now."""
    if frame is None or after == head:
        return live.empty_frame(after, head)
    events = [event for event in frame.events if event.position > after]
    return frame.model_copy(update={"prev": after, "events": events})
