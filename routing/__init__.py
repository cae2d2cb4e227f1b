"""The matching engine: pure, deterministic, standard library only.

Facts go in as commands together with the time, decisions come out. Nothing in here reads a clock,
draws a random number or waits; only `routing.simulation` draws, from seeded streams.
"""

PRODUCT = "service-desk"
