"""Backtests: the code that trades over stored market data, in virtual time; and what a run was, as a file."""
