"""The order desk of one venue: pure; it decides what to ask of the venue and what its answers mean."""
