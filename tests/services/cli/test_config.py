import copy
import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cli import config
from services.cli.config_check import leaves
from services.gateway.settings import GatewaySettings
from services.strategy.registry import STRATEGIES, settings_of
from shared.errors import ConfigError
from shared.settings import pack, unpack

DEFAULT = Path(config.__file__).resolve().parents[2] / "deploy" / "paper.yaml"
USDM, ETH, SPOT = "binance_usdm:BTCUSDT", "binance_usdm:ETHUSDT", "binance:BTCUSDT"
SMALL = "symbols: [binance_usdm:BTCUSDT]\n"


TREE = yaml.load(DEFAULT.read_text(), Loader=yaml.BaseLoader)


def tree():
    return copy.deepcopy(TREE)


def load(document, environ=None):
    text = document if isinstance(document, str) else json.dumps(document, indent=1, ensure_ascii=False)
    return config.loads("test.yaml", text, environ or {})


def refusal(document, environ=None):
    with pytest.raises(ConfigError) as refused:
        load(document, environ)
    return str(refused.value)


def changed(path, value):
    """Return the default configuration with one value set."""
    document = tree()
    holder = document
    for key in path[:-1]:
        holder = holder.setdefault(key, {})
    holder[path[-1]] = value
    return document


@pytest.mark.req("OP-12")
def test_the_default_configuration_is_three_strategies_on_the_simulated_venue():
    cfg = config.load(DEFAULT, {})

    assert cfg.mode == "paper"
    assert cfg.symbols == [USDM, ETH, SPOT]
    assert all(venue.url == "sim" and venue.maker_fee_ppm == 200 for venue in cfg.market_data.venues)
    assert {name: (one.kind, one.symbol) for name, one in cfg.strategy.instances.items()} == {
        "as_btc": ("avellaneda_stoikov", USDM),
        "grid_eth": ("grid", ETH),
        "imb_btc": ("imbalance", SPOT),
    }
    assert (cfg.strategy.warmup_s, cfg.strategy.warmup_points) == (0, 100)
    assert (cfg.gateway.host, cfg.gateway.port) == ("127.0.0.1", 8686)


def test_the_default_grid_earns_more_than_its_fees_on_each_cycle():
    cfg = config.load(DEFAULT, {})
    grid = cfg.strategy.instances["grid_eth"]
    params = settings_of(grid.kind, grid.params)
    (maker_ppm,) = {v.maker_fee_ppm for v in cfg.market_data.venues if v.name == "binance_usdm"}

    assert params.interval_bps > 2 * maker_ppm / 100


def test_every_section_reaches_its_service_unchanged():
    cfg = config.load(DEFAULT, {})

    for service, section in config.sections(cfg).items():
        assert unpack(pack(section), type(section)) == section, service
    for instance in unpack(pack(cfg.strategy), type(cfg.strategy)).instances.values():
        settings_of(instance.kind, instance.params)


@pytest.mark.req("OP-12")
def test_the_environment_overrides_the_file():
    cfg = load(
        tree(),
        {
            "QUOTEMESH__GATEWAY__PORT": "9000",
            "QUOTEMESH__STRATEGIES__AS_BTC__PARAMS__HALF_SPREAD_BPS": "2.5",
            "QUOTEMESH__SYMBOLS": "[BTCUSDT@usdm, ETHUSDT@usdm, 'spot:btcusdt']",
            "QUOTEMESH_DATA": "/elsewhere",
        },
    )

    assert cfg.gateway.port == 9000
    assert cfg.strategy.instances["as_btc"].params["half_spread_bps"] == 2.5
    assert dict(cfg.origins)["gateway.port"] == "environment QUOTEMESH__GATEWAY__PORT"


def test_an_override_of_an_unknown_key_names_its_variable():
    text = refusal(tree(), {"QUOTEMESH__GATEWAY__PROT": "9000"})

    assert "environment QUOTEMESH__GATEWAY__PROT, gateway.prot: unknown key; did you mean 'port'?" in text


@pytest.mark.req("OP-12")
def test_all_mistakes_are_listed_at_once_with_line_and_key():
    text = refusal(
        "mode: papper\n"
        "symbols: [binance_usdm:BTCUSDT, kraken:BTCUSD]\n"
        "strategies:\n"
        "  Big-Name:\n"
        "    kind: gird\n"
        "    symbol: binance_usdm:ETHUSDT\n"
        "gateway:\n"
        "  port: 80000\n"
        "  prot: 1\n"
        "broker:\n"
        "  latency_ms: -1\n"
        "botname: x\n"
    )

    assert text.startswith("test.yaml: 9 mistakes in the configuration; nothing was started\n")
    for expected in [
        "line 1, mode: mode is paper, testnet or live; you wrote 'papper'",
        "line 2, symbols.1: a market is written venue:SYMBOL",
        "line 4, strategies.Big-Name: a name is 1 to 12",
        "line 5, strategies.Big-Name.kind: kind 'gird' is no strategy",
        "line 6, strategies.Big-Name.symbol: 'binance_usdm:ETHUSDT' is not among",
        "line 8, gateway.port: Input should be less than or equal to 65535; you wrote '80000'",
        "line 9, gateway.prot: unknown key; did you mean 'port'?",
        "line 11, broker.latency_ms: Input should be greater than or equal to 0; you wrote '-1'",
        "line 12, botname: unknown key; known here:",
    ]:
        assert expected in text
    assert "did you mean 'grid'?" in text


@pytest.mark.parametrize(
    "document", ["", "mode: paper\n", "symbols:\n", "symbols: []\n", "symbols: x\n", "symbols: {a: b}\n"]
)
def test_a_configuration_names_its_markets(document):
    assert "symbols: name at least one market" in refusal(document)


@pytest.mark.parametrize("document", ["5", "- a\n- b\n", "'text'"])
def test_a_file_that_is_no_block_of_keys_is_refused(document):
    assert "`key: value` lines" in refusal(document)


def test_a_missing_file_is_a_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="config init"):
        config.load(tmp_path / "none.yaml", {})


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x80abc"])
def test_a_file_that_is_no_text_is_a_clear_error(tmp_path, data):
    (tmp_path / "x.yaml").write_bytes(data)

    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path / "x.yaml", {})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("a: &x [1]\nb: *x\n", "line 1, column 4: anchors"),
        ("a: !!python/object:os.system {}\n", "tags"),
        ("a: [1\n", "line 2"),
        ("a: b: c\n", "line 1"),
        ("\t a: 1\n", "line 1"),
        ("a: 1\n---\nb: 2\n", "document"),
        ("? [a, b]\n: 1\n" + SMALL, "a key must be a plain word"),
        ("a: \x00\n", "not a YAML text"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_place(document, expected):
    assert expected in refusal(document)


def test_a_key_written_twice_is_refused_with_both_lines():
    text = refusal(SMALL + "gateway:\n  port: 1\n  port: 2\n")

    assert "line 3, gateway.port: written again in line 4" in text


def test_a_file_that_is_far_too_large_is_refused():
    assert "at most" in refusal("# " + "x" * (1 << 20))


def test_a_user_strategy_that_cannot_be_imported_is_refused_with_the_reason():
    text = refusal(changed(["strategies", "as_btc", "kind"], "no.such.module:Thing"))

    assert "strategies.as_btc.kind" in text
    assert "ModuleNotFoundError" in text


def numeric_keys():
    """Return (path, ) of every single number that a file may hold, with a value that is right."""
    cfg = config.load(DEFAULT, {})
    sections = {
        ("risk",): cfg.risk,
        ("broker",): cfg.broker,
        ("gateway",): cfg.gateway,
        ("simulator",): cfg.venue_sim,
        ("bus",): cfg.bus,
    }
    found = [
        leaf
        for path, section in sections.items()
        for leaf in leaves(section, path)
        if leaf.path[1] != "prepared"
    ]
    found += [leaf for leaf in leaves(cfg.market_data, ("market_data",)) if leaf.path[1] != "venues"]
    for name, kind in (("as_btc", "avellaneda_stoikov"), ("grid_eth", "grid"), ("imb_btc", "imbalance")):
        found += leaves(settings_of(kind, {}), ("strategies", name, "params"))
    numbers = (int, float, type(cfg.broker.initial_balance))
    return [
        leaf
        for leaf in found
        if isinstance(leaf.value, numbers)
        and not isinstance(leaf.value, bool)
        and not any(map(str.isdigit, leaf.path))
    ]


HOSTILE = ("nan", "inf", "-inf", "1e400", "10" * 20, "x", "1.2.3", "0x10", "", "[1]", "{a: 1}", "-1e30", "١٢")
BAD = [
    (leaf.path, HOSTILE[(at + step) % len(HOSTILE)])
    for at, leaf in enumerate(numeric_keys())
    for step in (0, 6)
]


@pytest.mark.req("OP-12")
@pytest.mark.parametrize(
    ("path", "value"), BAD, ids=lambda part: ".".join(part) if isinstance(part, tuple) else part
)
def test_a_value_that_is_no_number_is_refused_naming_its_key(path, value):
    document = changed(list(path), "PLACE")
    text = refusal(json.dumps(document, indent=1, ensure_ascii=False).replace('"PLACE"', value))

    assert ".".join(path) in text
    assert re.search(r"line \d+", text)


NEVER_NEGATIVE = [leaf for leaf in numeric_keys() if "-" not in leaf.bounds]


@pytest.mark.parametrize("leaf", NEVER_NEGATIVE, ids=lambda leaf: ".".join(leaf.path))
def test_a_number_below_its_bound_is_refused_naming_its_key(leaf):
    text = refusal(changed(list(leaf.path), "-1"))

    assert ".".join(leaf.path) in text or ".".join(leaf.path[:-1]) in text


@pytest.mark.parametrize("leaf", numeric_keys()[::2], ids=lambda leaf: ".".join(leaf.path))
def test_a_mistyped_key_is_refused_with_the_right_one(leaf):
    name = leaf.path[-1]
    wrong = name[:-1] if len(name) > 4 else name + "x"

    text = refusal(changed([*leaf.path[:-1], wrong], str(leaf.value)))

    assert ".".join([*leaf.path[:-1], wrong]) in text
    assert f"did you mean '{name}'?" in text or "known here" in text or "did you mean" in text


@pytest.mark.parametrize("section", ["venues", "strategies", "risk", "broker", "gateway", "simulator", "bus"])
@pytest.mark.parametrize("value", ["5", "[a, b]"])
def test_a_section_of_another_shape_is_refused_by_name(section, value):
    assert section in refusal(f"{SMALL}{section}: {value}\n")


def test_every_setting_says_what_it_is_for():
    cfg = config.load(DEFAULT, {})
    found = [leaf for section in config.sections(cfg).values() for leaf in leaves(section)]
    for kind in STRATEGIES:
        found += leaves(settings_of(kind, {}), (kind,))

    assert [".".join(leaf.path) for leaf in found if not leaf.doc] == []


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_text_is_either_a_configuration_or_a_clear_error(text):
    try:
        config.loads("any.yaml", text, {})
    except ConfigError as error:
        assert "any.yaml" in str(error)  # noqa: PT017 - either way is right


paths = st.sampled_from(
    [
        ("mode",),
        ("symbols",),
        ("gateway", "port"),
        ("strategies", "as_btc"),
        ("risk", "limits"),
        ("venues", "binance"),
    ]
)
shapes = st.recursive(
    st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


@given(path=paths, value=shapes)
@settings(deadline=None)
def test_any_shape_anywhere_is_either_right_or_a_clear_error(path, value):
    try:
        load(changed(path, value))
    except ConfigError as error:
        assert "test.yaml" in str(error)  # noqa: PT017 - either way is right


def test_a_host_that_others_reach_is_refused_in_the_section_gateway():
    text = refusal(changed(["gateway", "host"], "0.0.0.0"))

    assert "gateway" in text
    assert "exposed: true" in text
    assert load(changed(["gateway"], {"host": "0.0.0.0", "exposed": "yes"})).gateway == GatewaySettings(
        host="0.0.0.0", exposed=True
    )
