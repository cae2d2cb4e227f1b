"""The only writers: plain functions (tx, ...) -> result. Each is one transaction and says all that follows from it."""
