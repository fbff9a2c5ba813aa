"""The tutorial as a marimo notebook: `.venv/bin/marimo edit docs/tutorial.py`.

It is also a script: `.venv/bin/python docs/tutorial.py --capture FILE [--seconds N] [--out FOLDER]`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="quotemesh: from a capture to a sweep")


@app.cell
def imports():
    import sys
    from pathlib import Path

    import marimo as mo
    import plotly.graph_objects as go

    root = Path(__file__).resolve().parents[1]
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))

    from services.backtest import coverage
    from services.backtest.equity import scale_of
    from services.backtest.equity import steps as equity_steps
    from services.backtest.figures import figures, interval_profits
    from services.backtest.importing import import_files
    from services.backtest.run_options import RunOptions
    from services.backtest.sweep_stats import judge, moments_of
    from services.cli.backtest_request import Request, prepare, run_backtest
    from shared.units import NS_PER_S

    return (
        NS_PER_S,
        Path,
        Request,
        RunOptions,
        coverage,
        equity_steps,
        figures,
        go,
        import_files,
        interval_profits,
        judge,
        mo,
        moments_of,
        prepare,
        root,
        run_backtest,
        scale_of,
    )


@app.cell(hide_code=True)
def title(mo):
    mo.md("""
    # From a capture to a sweep

    The steps of [tutorial.md](tutorial.md) from Python. What runs is what the command line runs: the same
    requests, the same code that trades, the same figures. The capture is recorded market data; a few
    minutes of them show how it works and prove nothing about a strategy.
    """)
    return


@app.cell
def what_to_run(Path, mo):
    words = mo.cli_args()
    capture = Path(str(words.get("capture") or "btcusdt_20240808.raw.gz"))
    columns_folder = Path(str(words.get("out") or "columns"))
    seconds = float(words.get("seconds") or 345)
    if not capture.exists():
        raise FileNotFoundError(
            f"there is no {capture} here; name a capture: --capture FILE (in an editor after two dashes: "
            "marimo edit docs/tutorial.py -- --capture FILE)"
        )
    return capture, columns_folder, seconds


@app.cell
def import_it(capture, columns_folder, coverage, import_files, mo):
    columns_folder.mkdir(parents=True, exist_ok=True)
    imported = import_files([capture], columns_folder)
    covered = coverage.table([each.coverage for each in imported])
    files = tuple(str(each.path) for each in imported)
    print(covered)
    mo.plain_text(covered)
    return (files,)


@app.cell
def settings(mo):
    half_spread_bps = mo.ui.dropdown(["0.5", "1", "2", "4"], value="1", label="half spread, bps")
    latency_ms = mo.ui.dropdown(["5", "20", "50", "200"], value="50", label="latency to the venue, ms")
    queue = mo.ui.dropdown(["pro_rata", "behind"], value="pro_rata", label="cancels of others")
    mo.hstack([half_spread_bps, latency_ms, queue], justify="start")
    return half_spread_bps, latency_ms, queue


@app.cell
def first_request(Request, RunOptions, files, half_spread_bps, latency_ms, queue, root, seconds):
    spread = "QUOTEMESH__STRATEGIES__AS_BTC__PARAMS__HALF_SPREAD_BPS"
    config = root / "deploy" / "paper.yaml"
    request = Request(
        name=config.name,
        text=config.read_text(encoding="utf-8"),
        files=files,
        overrides={spread: half_spread_bps.value},
        end=f"+{seconds:g}",
        options=RunOptions(latency=latency_ms.value, queue=queue.value),
    )
    return request, spread


@app.cell
def first_backtest(figures, mo, request, run_backtest):
    run = run_backtest(request)
    found = figures(run)
    rows = {
        "net P&L": found.net_pnl,
        "before fees": found.realized_pnl + found.unrealized_pnl,
        "fees": found.fees,
        "spread capture": found.spread_capture,
        "adverse within 0.1 s": found.adverse_100ms,
        "orders": found.orders,
        "fills": found.fills,
        "max drawdown": found.max_drawdown,
    }
    for name, value in rows.items():
        print(f"{name:24}{value}")
    mo.ui.table([{"figure": name, "value": str(value)} for name, value in rows.items()], selection=None)
    return (run,)


@app.cell
def equity_chart(NS_PER_S, equity_steps, go, run, scale_of):
    scale = scale_of(run)
    curve = [(step.ts_ns, float(scale.money_of_half(step.equity_half))) for step in equity_steps(run, scale)]
    begin_ns = run.meta.from_ns
    chart = go.Figure(
        go.Scatter(
            x=[(at_ns - begin_ns) / NS_PER_S for at_ns, _ in curve],
            y=[value for _, value in curve],
            line={"shape": "hv"},
        )
    )
    chart.update_layout(xaxis_title="seconds", yaxis_title=f"equity, {scale.asset}", height=320)
    chart
    return


@app.cell(hide_code=True)
def about_luck(mo):
    mo.md("""
    ## A sweep by hand

    Four spreads, each run over the first half and over the second. What is best in the first half is chosen,
    and what it earns in the second is counted: that is a walk-forward with one step. `./quotemesh sweep` does
    it with more steps, on all cores, and goes on after a stop.
    """)
    return


@app.cell
def sweep(interval_profits, moments_of, prepare, request, run_backtest, spread):
    prepared = prepare(request)
    half_ns = (prepared.from_ns + prepared.until_ns) // 2
    halves = ((prepared.from_ns, half_ns), (half_ns + 1, prepared.until_ns))

    def samples(value, part):
        """Return the profits of each second of one combination over one part."""
        return interval_profits(run_backtest(request.with_changes({spread: value}, *part)), 1.0)

    values = ("0.5", "1", "2", "4")
    before = {value: samples(value, halves[0]) for value in values}
    after = {value: samples(value, halves[1]) for value in values}
    chosen = max(values, key=lambda value: moments_of(before[value]).sharpe)
    return after, before, chosen, values


@app.cell
def verdict(after, before, chosen, judge, mo, moments_of, values):
    table = [
        {
            "half spread, bps": value,
            "first half": f"{sum(before[value]):+.4f}",
            "second half": f"{sum(after[value]):+.4f}",
            "chosen": "yes" if value == chosen else "",
        }
        for value in values
    ]
    for row in table:
        print("  ".join(f"{name} {text}" for name, text in row.items()))
    whole = {value: moments_of(before[value] + after[value]) for value in values}
    best = max(values, key=lambda value: whole[value].sharpe)
    judged = judge(whole[best], [each.sharpe for each in whole.values()], len(values))
    print(judged.text)
    mo.vstack(
        [
            mo.ui.table(table, selection=None),
            mo.md(
                f"Chosen on the first half: **{chosen} bps**, second half **{sum(after[chosen]):+.4f}**. "
                f"Over both the best is {best} bps: **{judged.text}**."
            ),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
