"""The chaos tests' command line: python -m tests.chaos COMMAND …"""

import importlib
import sys

COMMANDS = {"audit": "tests.chaos.auditor", "run": "tests.chaos.runner"}
"""Each command's module, whose `main` takes the words that follow and gives the exit code."""


def main(words: list[str]) -> int:
    """Run a command; 2 when there is none of that name."""
    if not words or words[0] not in COMMANDS:
        sys.stderr.write(f"usage: python -m tests.chaos {{{','.join(sorted(COMMANDS))}}} …\n")
        return 2
    return int(importlib.import_module(COMMANDS[words[0]]).main(words[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
