"""The last way out when the broker is dead: asks a venue directly, without bus, log, risk or broker.

`direct` drives a venue's adapter from any program, `cancel` cancels every order of ours at a venue, `main` is
the watchdog process that does so when the broker's heartbeat stops.
"""
