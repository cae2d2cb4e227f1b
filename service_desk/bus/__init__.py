"""Ways to say "look again"."""
