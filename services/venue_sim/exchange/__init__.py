"""The trading side of the simulated venue: accounts, orders, fills, positions, and the ledger of it all."""
