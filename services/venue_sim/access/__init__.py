"""Who may speak to the simulated venue: signatures of requests, and how many of them."""
