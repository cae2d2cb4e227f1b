"""The console's reducer in Python: the same rules as agent_ui/src/live/reducer.ts, on plain JSON."""

from typing import Any

State = dict[str, Any]
COLLECTIONS = ("me", "offers", "interactions", "entries", "cards")


class Gap(Exception):
    """Frames between were missed: ask for a replay."""


def apply(state: State, frame: State) -> State:
    """The state after a frame; the same state for a frame that is behind. Raises Gap."""
    if frame["position"] <= state["position"]:
        return state
    if frame["prev"] > state["position"]:
        raise Gap(f"at {state['position']}, frame starts at {frame['prev']}")
    after: State = {"position": frame["position"]}
    for name in COLLECTIONS:
        dropped = set(frame["drop"].get(name, ()))
        merged = {**state[name], **frame["put"][name]}
        after[name] = {key: value for key, value in merged.items() if key not in dropped}
    return prune(after)


def prune(state: State) -> State:
    """What hangs on an interaction goes with it."""
    interactions = state["interactions"]
    customers = {view["customer_id"] for view in interactions.values()}
    return {
        **state,
        "offers": {k: v for k, v in state["offers"].items() if v["interaction_id"] in interactions},
        "entries": {k: v for k, v in state["entries"].items() if v["interaction_id"] in interactions},
        "cards": {k: v for k, v in state["cards"].items() if k in customers},
    }


def comparable(state: State) -> State:
    """Without what differs by nature: the position of the reading, in the state and inside cards."""
    cards = {key: {**card, "as_of": 0} for key, card in state["cards"].items()}
    return {**state, "position": 0, "cards": cards}
