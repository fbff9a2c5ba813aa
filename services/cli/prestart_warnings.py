"""Settings that are allowed and will surprise: one warning each, none keeps a mesh down."""

from collections.abc import Iterator

from services.cli.config_model import Config
from services.cli.prestart_item import Item
from services.cli.prestart_money import live_instances
from services.market_data.settings import SIMULATED
from services.strategy.grid_settings import GridSettings
from services.strategy.maker_settings import AvellanedaStoikovSettings
from services.strategy.registry import settings_of
from shared.instrument import venue_of

SIMULATED_REQUOTES = 300
"""Orders a minute that one slot of a maker may need on the simulated venue, which moves each 100 ms."""
STOP_BAND_BPS = 100


def warnings(cfg: Config) -> Iterator[Item]:
    """Yield what of the settings of strategies does not go together with limits of risk."""
    simulated = {venue.name for venue in cfg.market_data.venues if venue.url == SIMULATED}
    requotes = cfg.risk.throttle.requotes_per_min_max
    for name, instance in live_instances(cfg).items():
        params = settings_of(instance.kind, instance.params)
        is_simulated = venue_of(instance.symbol) in simulated
        if is_simulated and isinstance(params, AvellanedaStoikovSettings) and requotes < SIMULATED_REQUOTES:
            text = (
                f"risk.throttle.requotes_per_min_max {requotes} soon stops a maker on the simulated venue, "
                f"which is quicker than a real one: set it to {SIMULATED_REQUOTES} or more there"
            )
            yield Item(f"throttle {name}", "warning", text, False, str(requotes), str(SIMULATED_REQUOTES))
        band_bps = cfg.risk.limits_of(instance.symbol).price_band_bps
        leaves = isinstance(params, GridSettings) and (params.stop_loss_pct or params.take_profit_pct)
        if leaves and band_bps < STOP_BAND_BPS:
            text = (
                f"a price band of {band_bps:g} bps refuses the first exit of its stop-loss or take-profit "
                "and bounds the next ones, just when the market moves: "
                f"set price_band_bps to {STOP_BAND_BPS} or more"
            )
            yield Item(f"stop {name}", "warning", text, False, f"{band_bps:g}", str(STOP_BAND_BPS))
