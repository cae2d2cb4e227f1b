"""The command line: one module for each family of verbs."""

from service_desk.cli.verbs import main

__all__ = ["main"]
