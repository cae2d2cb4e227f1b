"""Followers that work behind the commits: effects, timers, figures."""
