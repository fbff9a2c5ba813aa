"""Reports and exports folded from the log."""
