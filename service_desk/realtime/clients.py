"""Which client is in which rooms, so that one who leaves is not looked for in all of them."""

from collections import defaultdict
from typing import Any

import socketio


class Clients(socketio.AsyncManager):  # type: ignore[misc]  # socketio has no types
    """Socket.IO's bookkeeping of this process.

    Each client has a room of its own, and by itself Socket.IO looks through all rooms for the one who leaves: two
    thousand who are cut off at one moment took half a second so.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rooms_of: defaultdict[tuple[str, str], set[str | None]] = defaultdict(set)

    def basic_enter_room(
        self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None
    ) -> None:
        super().basic_enter_room(sid, namespace, room, eio_sid)
        self._rooms_of[namespace, sid].add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        super().basic_leave_room(sid, namespace, room)
        rooms = self._rooms_of[namespace, sid]
        rooms.discard(room)
        if not rooms:
            del self._rooms_of[namespace, sid]

    def basic_disconnect(self, sid: str, namespace: str, **_: Any) -> None:
        """Out of everything; again is harmless."""
        for room in tuple(self._rooms_of.get((namespace, sid), ())):
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            waiting = pending.get(namespace, [])
            if sid in waiting:
                waiting.remove(sid)
            if not waiting:
                pending.pop(namespace, None)
