"""The child process of one venue that is reached through ccxt: the only code that imports ccxt."""
