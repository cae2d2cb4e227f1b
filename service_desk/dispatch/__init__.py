"""Hosts the router: commands in, decisions recorded."""
