"""docs/operations.md is true: each command in it is run in its order, each code is explained."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.exits import ExitCode

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
CAPTURE = "binance_hft/usdm_btcusdt_20240808.raw.gz"
NOT_RUN = {"git pull"}
"""What changes this repository is not run by its tests."""

pytestmark = pytest.mark.timeout(600)


def commands():
    """Return every line of the page that a person would type."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


@pytest.mark.mesh
@pytest.mark.req("OP-13", "OP-16", "OP-18", "JR-17")
def test_each_command_of_the_page_does_what_it_says(make_mesh, captures, tmp_path):
    # Given a folder with the launcher's name in it, as a person has it
    launcher = tmp_path / "quotemesh"
    launcher.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m services.cli.main "$@"\n')
    launcher.chmod(0o755)
    meshes = [make_mesh(name) for name in ("data", "restored", "played")]
    environment = {**meshes[0].environment, "PYTHONPATH": str(ROOT)}
    words = {"CAPTURE.gz": str(captures / CAPTURE), "PORT=8701": f"PORT={meshes[1].port}"}
    done = []

    # When every command is run in the order of the page
    for line in commands():
        if line in NOT_RUN:
            continue
        typed = line
        for word, value in words.items():
            typed = typed.replace(word, value)
        ended = subprocess.run(
            ["/bin/sh", "-c", typed],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, f"{line} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
        done.append(line)
        if line == "./quotemesh up":
            meshes[0].wait(lambda _: has_order(meshes[0]))
        if line == "./quotemesh orders --all --json":
            words["ORDER"] = json.loads(ended.stdout)[0]["client_order_id"]

    # Then all of them were
    assert len(done) == len(commands()) - len(NOT_RUN)
    assert {line.split()[1] for line in done if line.startswith("./quotemesh")} >= {"up", "restore", "kill"}


def has_order(mesh):
    return bool(json.loads(mesh.must("orders", "--all", "--json")))


def explained():
    """Return every word that the page writes as code."""
    outside = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"`([^`]+)`", outside))


def test_each_refusal_and_each_order_not_sent_is_explained():
    checks = (ROOT / "services/risk/checks.py").read_text()
    gate = (ROOT / "services/broker/gate.py").read_text()
    codes = set(re.findall(r'Objection\(\s*"([a-z_]+)"', checks)) | set(
        re.findall(r'Held\(\s*"([a-z_]+)"', gate)
    )

    assert len(codes) > 20
    assert codes - explained() == set()


def test_each_reason_of_the_trading_state_is_explained():
    source = (ROOT / "services/risk/state.py").read_text()
    source = re.sub(r'""".*?"""', "", source[source.index("def reducing_reasons") :], flags=re.DOTALL)
    texts = [text for text in re.findall(r'"([^"]*)"', source) if " " in text]
    stems = [re.sub(r"\{[^}]*\}", "", text).strip(" :") for text in texts]

    assert len(stems) >= 5
    assert [stem for stem in stems if stem.split(":")[0].removesuffix(" run").strip() not in PAGE] == []


def test_each_exit_code_is_explained():
    rows = set(re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))

    assert {str(int(code)) for code in ExitCode} <= rows
    assert "70" in rows


def test_the_test_runs_where_nothing_else_does():
    assert set(commands()) >= NOT_RUN
    assert os.access(ROOT / "quotemesh", os.X_OK)
