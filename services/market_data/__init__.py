"""Venue feeds become trusted books, trades and prices on the log."""
