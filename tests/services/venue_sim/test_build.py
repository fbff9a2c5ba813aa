"""The venue that the settings ask for."""

import pytest

from services.venue_sim.build import make_venue
from services.venue_sim.settings import FaultSettings, VenueSimSettings
from shared.errors import ConfigError
from shared.settings import pack, unpack


@pytest.mark.req("MD-24", "BT-7")
def test_each_mode_makes_its_venue_with_the_faults_of_the_settings(make, write_capture):
    fault = FaultSettings(kind="drop", stream="btcusdt@depth")
    capture = VenueSimSettings(mode="capture", files=(write_capture(make.small_capture()),), faults=(fault,))

    for settings, origin_ns in ((capture, make.start_ns), (VenueSimSettings(), VenueSimSettings().origin_ns)):
        venue = make_venue(unpack(pack(settings), VenueSimSettings))

        assert venue.origin_ns == origin_ns
        assert venue.pending == len(settings.faults)
        assert venue.streams_of("binance", "btcusdt@depth@100ms")


@pytest.mark.req("MD-20")
def test_exchange_info_can_be_given_as_a_file(tmp_path, make, write_capture):
    info = tmp_path / "info.json"
    info.write_bytes(b'{"symbols":[{"symbol":"BTCUSDT","filters":[]}]}')
    wanted = {"mode": "capture", "files": (write_capture(make.small_capture()),)}

    venue = make_venue(VenueSimSettings(**wanted, exchange_info=str(info)))

    assert venue.request("binance", "GET", "/api/v3/exchangeInfo", 0) == (200, info.read_bytes())
    for content, message in [(b"{", "is no JSON"), (b'{"symbols":1}', "has no `symbols` with `filters`")]:
        info.write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            make_venue(VenueSimSettings(**wanted, exchange_info=str(info)))
    with pytest.raises(ConfigError, match="No such file"):
        make_venue(VenueSimSettings(**wanted, exchange_info=str(tmp_path / "none")))
