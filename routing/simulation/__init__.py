"""A centre in virtual time on the real router, and the formulas to check it by.

Random numbers come from named, seeded streams only, so the same scenario and seed give the same decisions.
"""
