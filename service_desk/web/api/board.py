"""The wallboard."""

from service_desk.domain.views import BoardView
from service_desk.queries import wallboard
from service_desk.storage.store import Reader
from service_desk.web.openapi import Routes

routes = Routes("board")


@routes.get("/api/v1/board", needs="board.view")
def get_board(reader: Reader) -> BoardView:
    """Queues and agents now, at most a second old."""
    return wallboard.board_view(reader)
