"""A pretend carrier and pretend customers: a real HTTP server that behaves as the phone provider does.

The phone adapter cannot tell it from the provider; only `api_base_url` differs. Run it with `python -m
channels.simulator CONFIG.toml`. It never runs inside the desk's process: its traffic must not slow the
desk.
"""
