"""Pure data and rules."""
