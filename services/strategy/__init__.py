"""Strategies: what each instance wants on the book, decided from the log alone."""
