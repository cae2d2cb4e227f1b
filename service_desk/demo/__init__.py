"""A desk with a past: fictional people, their contacts and tickets, made from a seed.

Invented people ship nowhere else.
"""
