"""What a grid earns and what it can cost, before it starts (ST-35). Pure arithmetic of one market.

    profit of a cycle = (sell - buy) * qty - fee(buy) - fee(sell)          fees as the market's rules say
    break-even        = the least interval whose cycle earns more than nothing
    lost              = cost and fees of what is held - its value at the price that is looked at
    locked            = what is held, at cost, and the entries that wait in the window, at their price

A preview assumes the worst: the price runs one way and never comes back.
"""

from dataclasses import dataclass
from decimal import Decimal

from services.strategy.grid_levels import Ladder, ladder_at, signs_of
from services.strategy.grid_settings import GridSettings
from services.strategy.sizes import is_allowed_size, lots_of
from shared.instrument import fee_atoms, notional_atoms
from shared.messages.market import InstrumentRules
from shared.units import PPM, atoms_text, ceil_div, round_down, round_up

MOVES_PCT = (5, 10, 20, 33)
"""How far the price runs against the grid in the rows of a preview."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """What is bought, lost and locked when the price has moved by `move_pct` without coming back.

    A short grid has sold what is called bought. `stopped_ticks` is where the stop-loss ended it, else 0.
    """

    move_pct: int
    price_ticks: int
    level_count: int
    bought_lots: int
    bought_atoms: int
    lost_atoms: int
    locked_atoms: int
    stopped_ticks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A grid at a price: its cycle, its break-even, its falls, and why it would be refused."""

    price_ticks: int
    interval_ticks: int
    break_even_ticks: int
    break_even_bps: float
    qty_lots: int
    profit_per_cycle_atoms: int
    most_atoms: int
    falls: tuple[Fall, ...]
    problems: tuple[str, ...]


def profit_per_cycle_atoms(
    rules: InstrumentRules,
    buy_ticks: int,
    sell_ticks: int,
    qty_lots: int,
    *,
    buy_fee_ppm: int | None = None,
    sell_fee_ppm: int | None = None,
) -> int:
    """Return what one buy and one sell earn after both fees, the maker fee unless others are given."""
    maker_ppm = rules.maker_fee_ppm
    buy_atoms = notional_atoms(rules, buy_ticks, qty_lots)
    sell_atoms = notional_atoms(rules, sell_ticks, qty_lots)
    fees_atoms = fee_atoms(buy_atoms, maker_ppm if buy_fee_ppm is None else buy_fee_ppm)
    fees_atoms += fee_atoms(sell_atoms, maker_ppm if sell_fee_ppm is None else sell_fee_ppm)
    return sell_atoms - buy_atoms - fees_atoms


def break_even_ppm(maker_fee_ppm: int) -> int:
    """Return the least interval, in ppm of the buy, that pays its own fees: 2 f / (1 - f), rounded up."""
    return max(ceil_div(2 * maker_fee_ppm * PPM, PPM - maker_fee_ppm), 1)


def break_even_interval_ticks(rules: InstrumentRules, price_ticks: int, qty_lots: int = 1) -> int:
    """Return the least interval in ticks whose cycle, bought at `price_ticks`, earns more than nothing."""
    ticks = max(ceil_div(2 * rules.maker_fee_ppm * price_ticks, PPM - rules.maker_fee_ppm), 1)
    # Fees are rounded up to whole atoms: a few ticks more at most.
    while profit_per_cycle_atoms(rules, price_ticks, price_ticks + ticks, qty_lots) <= 0:
        ticks += 1
    return ticks


def bps_of(interval_ticks: int, price_ticks: int) -> float:
    """Return the least interval_bps (to 1/100) that is so many ticks at a price: it is rounded up to them."""
    return ((interval_ticks - 1) * PPM // price_ticks + 1) / 100


def interval_ppm(settings: GridSettings) -> int:
    """Return the interval in parts per million."""
    return round(settings.interval_bps * 100)


def bounds_ticks(settings: GridSettings, rules: InstrumentRules) -> tuple[int, int]:
    """Return the lowest and highest price of an entry; 0 where there is no bound."""
    tick = Decimal(rules.tick_size)
    return round_up(settings.lower_price, tick), round_down(settings.upper_price, tick)


def rule_problems(settings: GridSettings, rules: InstrumentRules) -> list[str]:
    """Return why this market refuses the grid at any price, each with value, limit and what to do."""
    found = []
    least_ppm = break_even_ppm(rules.maker_fee_ppm)
    if interval_ppm(settings) < least_ppm:
        found.append(
            f"interval_bps {settings.interval_bps:g} loses: a buy and a sell cost "
            f"{rules.maker_fee_ppm / 50:g} bps of maker fees; set at least {least_ppm / 100:g}"
        )
    if settings.direction != "long" and not rules.is_derivative:
        found.append(
            f"direction {settings.direction} sells what it does not have, and {rules.symbol} is spot; "
            "use long here, or a derivative"
        )
    least_atoms = rules.min_notional_atoms
    if int(settings.order_notional.scaleb(rules.quote_exponent)) < least_atoms:
        found.append(
            f"order_notional {settings.order_notional} is under the least value of an order of "
            f"{rules.symbol}; set at least {atoms_text(least_atoms, rules.quote_exponent)}"
        )
    return found


def price_problems(settings: GridSettings, rules: InstrumentRules, price_ticks: int) -> list[str]:
    """Return why the grid is refused with its anchor at this price, each with value, limit and what to do."""
    try:
        ladder = ladder_at(price_ticks, interval_ppm(settings), settings.spacing)
    except ValueError as error:
        return [str(error)]
    found = []
    qty_lots = lots_of(settings.order_notional, rules, price_ticks)
    if not is_allowed_size(rules, price_ticks, qty_lots):
        least_atoms = max(
            notional_atoms(rules, price_ticks, max(rules.min_qty_lots, 1)), rules.min_notional_atoms
        )
        lot_atoms = notional_atoms(rules, price_ticks, 1)
        least_text = atoms_text(ceil_div(least_atoms, lot_atoms) * lot_atoms, rules.quote_exponent)
        found.append(
            f"order_notional {settings.order_notional} is {qty_lots} lots at {price_ticks} ticks, under the "
            f"least order of {rules.symbol}; set at least {least_text}"
        )
    elif profit_per_cycle_atoms(rules, price_ticks, price_ticks + ladder.interval_ticks, qty_lots) <= 0:
        least_ticks = break_even_interval_ticks(rules, price_ticks, qty_lots)
        found.append(
            f"an interval of {ladder.interval_ticks} ticks loses after fees at {price_ticks} ticks: set "
            f"interval_bps to at least {bps_of(least_ticks, price_ticks):g} "
            f"({least_ticks} ticks)"
        )
    lower_ticks, upper_ticks = bounds_ticks(settings, rules)
    if upper_ticks and upper_ticks - lower_ticks < ladder.interval_ticks:
        found.append(
            f"lower_price {settings.lower_price} and upper_price {settings.upper_price} are closer than one "
            f"interval of {ladder.interval_ticks} ticks; move them apart"
        )
    return found


def preview(settings: GridSettings, rules: InstrumentRules, price_ticks: int) -> Preview:
    """Return what a fresh grid with its anchor at `price_ticks` earns, can cost, and why it is refused."""
    problems = rule_problems(settings, rules) or price_problems(settings, rules, price_ticks)
    qty_lots = lots_of(settings.order_notional, rules, price_ticks)
    ppm = interval_ppm(settings)
    interval_ticks = ceil_div(price_ticks * ppm, PPM)
    least_ticks = break_even_interval_ticks(rules, price_ticks, max(qty_lots, 1))
    falls: list[Fall] = []
    if price_ticks * ppm >= PPM:
        ladder = ladder_at(price_ticks, ppm, settings.spacing)
        for direction in signs_of(settings.direction):
            falls += [_fall(settings, rules, ladder, -direction * pct) for pct in MOVES_PCT]
    return Preview(
        price_ticks=price_ticks,
        interval_ticks=interval_ticks,
        break_even_ticks=least_ticks,
        break_even_bps=bps_of(least_ticks, price_ticks),
        qty_lots=qty_lots,
        profit_per_cycle_atoms=profit_per_cycle_atoms(
            rules, price_ticks, price_ticks + interval_ticks, qty_lots
        ),
        most_atoms=settings.max_layers * notional_atoms(rules, price_ticks, qty_lots),
        falls=tuple(falls),
        problems=tuple(problems),
    )


def _fall(settings: GridSettings, rules: InstrumentRules, ladder: Ladder, move_pct: int) -> Fall:
    """Walk the levels up to the moved price: each fills at its own price, and nothing comes back."""
    sign = -1 if move_pct > 0 else 1
    end_ticks = ladder.anchor_ticks * (100 + move_pct) // 100
    bounds = bounds_ticks(settings, rules)
    lots = cost_atoms = fees_atoms = count = 0
    stop_ppm = round(settings.stop_loss_pct * PPM / 100)
    # The anchor's own level is less than a tenth of an interval away: the first entry is the next one.
    level = -sign
    while count < settings.max_layers and sign * (ladder.price_of(level) - end_ticks) >= 0:
        price_ticks = ladder.price_of(level)
        if price_ticks < 1:
            break
        qty_lots = lots_of(settings.order_notional, rules, price_ticks)
        if is_within(price_ticks, bounds) and is_allowed_size(rules, price_ticks, qty_lots):
            value_atoms = notional_atoms(rules, price_ticks, qty_lots)
            lots, cost_atoms, count = lots + qty_lots, cost_atoms + value_atoms, count + 1
            fees_atoms += fee_atoms(value_atoms, rules.maker_fee_ppm)
        level -= sign
        next_ticks = end_ticks
        if count < settings.max_layers and ladder.price_of(level) >= 1:
            next_ticks = max(sign * ladder.price_of(level), sign * end_ticks) * sign
        stopped = _stop_ticks(rules, sign, lots, cost_atoms, fees_atoms, stop_ppm)
        if stopped and sign * (stopped - next_ticks) >= 0:
            fees_atoms += fee_atoms(notional_atoms(rules, stopped, lots), rules.taker_fee_ppm)
            lost_atoms = sign * (cost_atoms - notional_atoms(rules, stopped, lots)) + fees_atoms
            return Fall(
                move_pct=move_pct, price_ticks=end_ticks, level_count=count, bought_lots=lots,
                bought_atoms=cost_atoms, lost_atoms=lost_atoms, locked_atoms=0, stopped_ticks=stopped,
            )  # fmt: skip
    waiting_atoms = _waiting_atoms(settings, rules, ladder, sign, level, settings.max_layers - count)
    lost_atoms = sign * (cost_atoms - notional_atoms(rules, end_ticks, lots)) + fees_atoms
    return Fall(
        move_pct=move_pct, price_ticks=end_ticks, level_count=count, bought_lots=lots,
        bought_atoms=cost_atoms, lost_atoms=lost_atoms, locked_atoms=cost_atoms + waiting_atoms,
    )  # fmt: skip


def _stop_ticks(
    rules: InstrumentRules, sign: int, lots: int, cost_atoms: int, fees_atoms: int, stop_ppm: int
) -> int:
    """Return the price at which the loss on what is held reaches the stop, 0 when there is none."""
    if not stop_ppm or not lots:
        return 0
    value_atoms = cost_atoms - sign * (cost_atoms * stop_ppm // PPM - fees_atoms)
    lot_tick_atoms = lots * rules.tick_lot_atoms
    return value_atoms // lot_tick_atoms if sign > 0 else ceil_div(value_atoms, lot_tick_atoms)


def _waiting_atoms(
    settings: GridSettings, rules: InstrumentRules, ladder: Ladder, sign: int, level: int, most: int
) -> int:
    """Return the value of the entries that wait from `level` on."""
    bounds = bounds_ticks(settings, rules)
    total_atoms = 0
    for step in range(min(settings.buy_window, most)):
        price_ticks = ladder.price_of(level - sign * step)
        if price_ticks >= 1 and is_within(price_ticks, bounds):
            qty_lots = lots_of(settings.order_notional, rules, price_ticks)
            total_atoms += notional_atoms(rules, price_ticks, qty_lots)
    return total_atoms


def is_within(price_ticks: int, bounds: tuple[int, int]) -> bool:
    """Return whether an entry at this price is between the bounds; 0 is no bound (ST-24)."""
    lower_ticks, upper_ticks = bounds
    return price_ticks >= lower_ticks and (upper_ticks == 0 or price_ticks <= upper_ticks)
