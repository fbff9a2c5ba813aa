"""`/metrics` in the text format of Prometheus, made from the replica at each scrape (OB-2, OB-3)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi.responses import Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.gateway.hub import Hub
from services.gateway.overview import Pulse
from services.gateway.profit_answers import PARTS, parts_of
from services.gateway.stages import BUCKETS, Stages, bound_ns
from services.gateway.view import GatewayView
from shared.units import NS_PER_S

PREFIX = "quotemesh"
TRADING_STATES = ("active", "reducing", "halted")


class MeshCollector(Collector):
    """Everything that is told about the mesh, from one pulse."""

    def __init__(self, view: GatewayView, pulse: Pulse, stages: Stages, hub: Hub) -> None:
        self._view, self._pulse, self._stages, self._hub = view, pulse, stages, hub

    def collect(self) -> Iterable[Metric]:
        """Yield every family of metrics."""
        yield from self._log()
        yield from self._services()
        yield from self._feeds()
        yield from self._trading()
        yield from self._money()
        yield from self._parts()
        yield from self._latency()
        clients = len(self._hub.clients)
        yield _gauge("websocket_clients", "WebSocket clients that are connected", {(): clients})

    def _log(self) -> Iterator[Metric]:
        status, pulse = self._pulse.status, self._pulse
        yield InfoMetricFamily(f"{PREFIX}_log", "epoch of the log", {"epoch": str(status.epoch)})
        heads = [one.applied_seq for one in pulse.services if one.applied_seq is not None]
        yield _gauge("log_head_seq", "newest seq of the log", {(): max([status.seq, *heads])})
        yield _gauge("log_durable_seq", "newest seq that survives a power cut", {(): status.durable_seq})
        yield _gauge("log_events_per_second", "events per second over 10 s", {(): pulse.events_per_s})
        yield _gauge("bus_silent_seconds", "time since the bus was heard", {(): pulse.bus_silent_ms / 1000})
        counts = {(family,): count for family, count in sorted(self._stages.families.items())}
        yield _counter("log_events", "events read since the gateway began", counts, ("family",))

    def _services(self) -> Iterator[Metric]:
        services = self._pulse.services
        up = {(one.service,): float(one.health == "ok") for one in services}
        yield _gauge("service_up", "1 when a process does its work", up, ("service",))
        behind = {(one.service,): one.behind for one in services if one.behind is not None}
        yield _gauge("service_behind_events", "events not yet applied", behind, ("service",))
        applied = {(one.service,): one.applied_seq for one in services if one.applied_seq is not None}
        yield _gauge("service_applied_seq", "last seq applied", applied, ("service",))
        memory = {(one.service,): one.rss_bytes for one in services if one.rss_bytes}
        yield _gauge("process_resident_bytes", "resident memory of a process", memory, ("service",))

    def _feeds(self) -> Iterator[Metric]:
        feeds = [(venue, record.said) for venue, record in sorted(self._view.feeds.items())]
        live = {(venue,): float(said.state == "live") for venue, said in feeds}
        yield _gauge("feed_live", "1 when market data of a venue flows", live, ("venue",))
        for name, field, text in (
            ("messages", "message_count", "messages of the venue, whose rate is the feed's"),
            ("reconnects", "reconnect_count", "connections to the venue made again"),
            ("gaps", "gap_count", "gaps in the venue's own sequence"),
            ("bad_frames", "bad_frame_count", "frames that could not be read"),
            ("dropped", "dropped_count", "messages left out because the log was behind"),
        ):
            counts = {(venue,): getattr(said, field) for venue, said in feeds}
            yield _counter(f"feed_{name}", f"{text}, in the run of market_data", counts, ("venue",))
        for name, field, text in (
            ("lag", "lag_ms", "receive time less the venue's time of the newest message"),
            ("silent", "silent_ms", "time since the last message of the venue, when it was last reported"),
        ):
            values = {(venue,): getattr(said, field) / 1000 for venue, said in feeds}
            yield _gauge(f"feed_{name}_seconds", text, values, ("venue",))
        yield _counter("book_gaps", "books that became invalid by a gap", {(): self._view.gap_count})
        ages = {(one.symbol,): one.age_ms / 1000 for one in self._pulse.books}
        yield _gauge("book_age_seconds", "age of the newest update of a book", ages, ("symbol",))
        trusted = {(one.symbol,): float(one.trusted and not one.reason) for one in self._pulse.books}
        yield _gauge("book_usable", "1 when a book may be relied on", trusted, ("symbol",))

    def _trading(self) -> Iterator[Metric]:
        status, stages = self._pulse.status, self._stages
        yield _gauge("ready", "1 when the mesh may trade", {(): float(status.is_ready)})
        yield _gauge("killed", "1 while kill is latched", {(): float(status.kill is not None)})
        states = {(state,): float(status.trading_state == state) for state in TRADING_STATES}
        yield _gauge("trading_state", "1 for what risk allows now", states, ("state",))
        yield _counter("orders", "orders intended, over the whole log", {(): status.order_count})
        yield _gauge("orders_open", "orders that are not finished", {(): status.open_order_count})
        yield _counter("fills", "fills, over the whole log", {(): status.fill_count})
        refused = {(code,): count for code, count in sorted(stages.refused.items())}
        yield _counter("orders_refused", "refused by risk since the gateway began", refused, ("code",))
        yield _counter("orders_rejected", "rejected by the venue since then", {(): stages.rejected_count})
        yield _counter("orders_canceled", "canceled since then", {(): stages.canceled_count})
        strategies = {(one.strategy, one.state): 1.0 for one in status.strategies}
        yield _gauge("strategy_state", "1 for the state of a strategy", strategies, ("strategy", "state"))

    def _money(self) -> Iterator[Metric]:
        profit = {(one.asset,): float(one.profit) for one in self._pulse.profits}
        yield _gauge("profit", "profit and loss after fees, open positions included", profit, ("asset",))
        names = ("strategy", "symbol", "asset")
        for field, text in (
            ("realized_pnl", "realized profit and loss before fees"),
            ("unrealized_pnl", "what the open position gained, at the middle of a trusted book"),
            ("fees", "fees paid"),
            ("funding", "funding received, negative when it was paid"),
            ("volume", "value traded"),
            ("qty", "open position in the base asset"),
        ):
            values = {
                (one.strategy, one.symbol, one.quote_asset): float(getattr(one, field))
                for one in self._pulse.positions
                if getattr(one, field) is not None
            }
            yield _gauge(f"position_{field}", text, values, names)

    def _parts(self) -> Iterator[Metric]:
        values = {}
        for (strategy, symbol), record in sorted(self._view.parts.items()):
            parts = parts_of(record, self._view)
            for part in PARTS:
                text = getattr(parts, part)
                if text is not None:
                    values[strategy, symbol, parts.quote_asset, part] = float(text)
        names = ("strategy", "symbol", "asset", "part")
        yield _gauge("profit_part", "where the profit came from, as risk said it last", values, names)

    def _latency(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            f"{PREFIX}_stage_seconds", "duration of a stage, from stamps on the log", labels=("stage",)
        )
        for name, histogram in self._stages.histograms.items():
            reached, buckets = 0, []
            for index, count in enumerate(histogram.counts):
                reached += count
                bound = "+Inf" if index == BUCKETS - 1 else f"{bound_ns(index) / NS_PER_S:.6f}"
                buckets.append((bound, reached))
            family.add_metric((name,), buckets, histogram.sum_ns / NS_PER_S)
        yield family


def exposition(view: GatewayView, pulse: Pulse, stages: Stages, hub: Hub) -> bytes:
    """Return the text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MeshCollector(view, pulse, stages, hub))
    return generate_latest(registry)


def metrics_answer(view: GatewayView, pulse: Pulse, stages: Stages, hub: Hub) -> Response:
    """Return the answer to one scrape."""
    return Response(exposition(view, pulse, stages, hub), media_type=CONTENT_TYPE_LATEST)


_Values = Mapping[Any, float]


def _gauge(name: str, text: str, values: _Values, labels: tuple[str, ...] = ()) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counter(name: str, text: str, values: _Values, labels: tuple[str, ...] = ()) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
