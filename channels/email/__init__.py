"""Mail: our own SMTP door in, a relay out, and a reader that makes something of every sequence of bytes."""
