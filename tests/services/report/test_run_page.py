"""The page in a real browser without a network, and the picture: drawn, whole, and nobody's markup runs."""

import struct

import pytest

from services.backtest.equity import EVERYTHING
from services.backtest.figures import fold
from services.backtest.record import Meta, Run, Strategy
from services.report import charts, page, run_html, run_png
from shared.errors import ConfigError

pytestmark = pytest.mark.mesh

EVIL = '</script><img src=x onerror="window.owned=1"><b>x</b>'
NARROW = {"width": 390, "height": 844}


@pytest.mark.req("BT-10")
def test_the_page_draws_every_chart_offline_at_both_widths_and_runs_no_text(traded_run, chromium, tmp_path):
    traded_run.strategies = [Strategy(EVIL, EVIL, EVIL)]
    traded_run.meta.notes = [EVIL]
    traded_run.meta.machine = EVIL
    file = tmp_path / "report.html"
    file.write_text(run_html.page(traded_run), encoding="utf-8")

    for size in ({"width": 1366, "height": 900}, NARROW):
        context = chromium.new_context(viewport=size, offline=True)
        view, said, asked = context.new_page(), [], []
        view.on("console", lambda message, said=said: said.append(message.text))
        view.on("pageerror", lambda error, said=said: said.append(str(error)))
        view.on("request", lambda request, asked=asked: asked.append(request.url))
        view.goto(f"file://{file}")
        view.wait_for_selector("html[data-drawn='5']")

        assert said == []
        assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [f"file://{file}"]
        assert view.locator(".js-plotly-plot .main-svg").count() >= 5
        assert view.evaluate("window.owned === undefined")
        assert view.locator("b, img[onerror]").count() == 0
        width = view.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], "nothing is wider than the screen"
        assert EVIL in view.locator("h1").inner_text()
        context.close()


@pytest.mark.req("BT-10")
def test_charts_are_equity_drawdown_histogram_hours_mark_outs_and_parts(traded_run):
    found = {each.name: each for each in charts.charts(traded_run, fold(traded_run), EVERYTHING)}

    assert list(found) == ["course", "histogram", "hours", "markouts", "parts"]
    names = [trace["name"] for trace in found["course"].traces]
    assert names[:3] == ["mid binance_usdm:BTCUSDT", "bought", "sold"]
    assert {"equity", "drawdown", "position binance_usdm:BTCUSDT"} <= set(names)
    histogram = found["histogram"]
    assert len(histogram.traces[0]["y"]) == 50
    mean = histogram.layout["shapes"][0]
    assert mean["x0"] == mean["x1"] == pytest.approx(fold(traded_run).figures.average_trade.value)
    assert len(found["markouts"].traces[0]["error_y"]["array"]) == 5
    assert len(found["hours"].traces[0]["z"]) == 7


@pytest.mark.req("BT-12")
def test_a_run_without_fills_has_a_page_and_a_picture():
    run = Run(Meta(source="backtest", path="array"), [], [])

    assert "net P&amp;L 0.00" in run_html.page(run)
    assert run_png.picture(run)[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.req("BT-10")
def test_the_picture_is_a_png_of_the_size_it_says_and_texts_are_no_formulas(traded_run):
    traded_run.strategies = [Strategy("$\\frac{", "$x_$")]

    content = run_png.picture(traded_run)

    assert struct.unpack(">II", content[16:24]) == (1400, 1300)


def test_without_the_extra_page_and_picture_say_how_to_get_it(traded_run, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "plotly", None)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)

    with pytest.raises(ConfigError, match="install research"):
        run_html.page(traded_run)
    with pytest.raises(ConfigError, match="install research"):
        run_png.picture(traded_run)


def test_nothing_in_the_script_ends_its_element():
    assert "</script" not in page.plotly_js().lower()
    assert "<!--" not in page.plotly_js()
