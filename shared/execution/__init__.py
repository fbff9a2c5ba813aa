"""What an order desk and a venue's adapter say to each other: commands, reports, and the outside work.

A desk decides, an adapter translates, a shell carries out. Desk and adapter are pure: every call takes the
mesh time and returns what is said.
"""
