"""A short log of the default mesh in virtual time, made once."""

import pytest

from services.cli import config
from services.fused.assemble import assemble
from shared.units import NS_PER_S


@pytest.fixture(scope="session")
def default_log():
    """Return the events of twenty seconds of the default mesh."""
    events = []
    sections = config.sections(config.load("deploy/paper.yaml", {}))
    run = assemble(sections, build="test", store=lambda stored: events.append(stored.event))
    run.run(run.now_ns + 20 * NS_PER_S)
    return events


@pytest.fixture(scope="session")
def long_log():
    """Return the events of three minutes of the default mesh: more than 200 orders."""
    events = []
    sections = config.sections(config.load("deploy/paper.yaml", {}))
    run = assemble(sections, build="test", store=lambda stored: events.append(stored.event))
    run.run(run.now_ns + 180 * NS_PER_S)
    return events
