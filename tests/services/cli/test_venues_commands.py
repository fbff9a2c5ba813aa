"""`quotemesh venues` and the page that it writes."""

import json

import pytest
from click.testing import CliRunner

from services.cli.venues_commands import venues
from services.cli.venues_page import DATA, PAGE, data_text, page_text
from shared.venues.registry import ENTRIES


def run(*arguments: str):
    return CliRunner().invoke(venues, arguments)


@pytest.mark.req("MD-26")
def test_every_venue_is_a_line_and_a_row_of_the_page() -> None:
    lines = run().output.splitlines()

    assert [line.split()[0] for line in lines[1:]] == list(ENTRIES)
    page = PAGE.read_text()
    assert page_text(page) == page, "run ./quotemesh venues --write"


@pytest.mark.req("MD-26")
def test_json_tells_all_of_all_or_of_one() -> None:
    everything = json.loads(run("--json").output)["venues"]
    one = json.loads(run("okx", "--json").output)["venues"]

    assert list(everything) == list(ENTRIES)
    assert one == {"okx": everything["okx"]}
    assert (one["okx"]["id_form"], one["okx"]["orders"]) == ("alnum", ["spot", "linear"])
    assert "alnum" in run("okx").output


def test_an_unknown_venue_is_refused_with_where_to_look() -> None:
    found = run("nokx")

    assert found.exit_code != 0
    assert "quotemesh venues" in found.output


def test_the_data_file_is_written_as_it_is_committed() -> None:
    kept = json.loads(DATA.read_text())

    assert data_text(kept) == DATA.read_text()
