"""Where the bytes of mails and files lie."""
