"""Planning on the command line: simulate a centre, staff it, replay a recorded day with other staff or rules."""
