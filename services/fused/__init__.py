"""The whole mesh in one process and in virtual time: the same cores, the same log, no sockets."""
