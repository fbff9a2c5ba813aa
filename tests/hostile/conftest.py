"""Samples of one short run of the fused mesh, shared by all hostile tests of a worker."""

import os
from pathlib import Path

import pytest

from services.cli import config
from services.hostile.plan import Given
from services.hostile.samples import harvest

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = ROOT / "deploy" / "paper.yaml"


@pytest.fixture(scope="session")
def given():
    folder = Path(os.environ.get("QUOTEMESH_CAPTURES") or ROOT.parent / "shared" / "data")
    sections = config.sections(config.load(DEFAULT, {}))
    samples = harvest(sections, folder if folder.is_dir() else None)
    return Given(samples, config.loads, DEFAULT.read_text(encoding="utf-8"))
