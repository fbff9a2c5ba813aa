"""A simulated Binance: recorded captures or generated order flow over the venue's own wire protocol."""
