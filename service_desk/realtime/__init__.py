"""Sockets of consoles and of chat visitors."""
