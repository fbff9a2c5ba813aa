"""Run the cores again over a stored log and prove that they say the same."""
