"""The independent gate and ledger: every order passes here, or does not leave."""
