"""Binance spot and USD-M as `VenueAdapter`s: from commands to signed bytes, from frames to reports.

    build.make_adapter(settings, key) -> BinanceAdapter
    adapter     one venue: commands in, reports and outside work out; answers every command exactly once
    transport   requests in flight, by WebSocket API or REST; deadlines, lost sockets, bans
    signing, budget, clock, filters, errors   what a request must satisfy, and what a refusal means
    session, listening   the two kinds of private stream;  startup   what must hold before orders leave
    orders, answers, events_spot, events_usdm   translation

Sources: `rest-api.md`, `web-socket-api.md` and `user-data-stream.md` of the spot documents (2026-07) and the
USD-M documents (2026-05).
"""
