"""Web chat: pure parse and render.

Its sockets live in service_desk.realtime, for they are ours and no provider's.
"""
