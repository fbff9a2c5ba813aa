"""The campaign sees what it is for: planted crashes, hangs, growth and miscounts."""

import time

from services.hostile import campaign
from services.hostile.campaign import Verdict, run
from services.hostile.mutate import JSON, MSGPACK, Mutator


class Planted:
    """A target that does what it is told to in its tenth case."""

    name = "planted"

    def __init__(self, act=lambda: Verdict.ACCEPTED, rss=lambda: 0, at_end=lambda: None):
        self.act, self.rss, self.at_end, self.count = act, rss, at_end, 0

    def attempt(self):
        self.count += 1
        return self.act() if self.count == 10 else Verdict.REFUSED

    def shown(self):
        return f"case {self.count}"

    def close(self):
        self.at_end()

    def rss_bytes(self):
        return self.rss()


def fail():
    raise KeyError("planted")


def test_a_harmless_target_is_clean_and_counted():
    report = run(Planted(), 20, 1)

    assert report.is_clean
    assert (report.sent, report.accepted, report.refused, report.crashed) == (20, 1, 19, 0)


def test_a_crash_is_told_with_its_case_and_place():
    report = run(Planted(act=fail), 20, 1)

    assert not report.is_clean
    assert report.crashed == 1
    assert "case 9: KeyError: 'planted' at test_campaign.py" in report.faults[0]


def test_a_hang_is_ended_and_told(monkeypatch):
    monkeypatch.setattr(campaign, "CASE_LIMIT_S", 0.05)

    report = run(Planted(act=lambda: time.sleep(60)), 20, 1)

    assert not report.is_clean
    assert "HangError" in report.faults[0]


def test_growth_is_told():
    sizes = iter([1_000_000, 100_000_000])

    report = run(Planted(rss=lambda: next(sizes)), 20, 1)

    assert report.growth_bytes == 99_000_000
    assert not report.is_clean


def test_counters_that_do_not_agree_at_the_end_are_told():
    report = run(Planted(at_end=fail), 20, 1)

    assert "at the end: KeyError" in report.faults[0]
    assert not report.is_clean


def test_the_same_seed_repeats_the_same_damage():
    sample, packed = b'{"a":[1,"2",{"b":null}],"c":3.5}', b"\x93\x01\xa1a\xc4\x02ab"

    def drawn(seed):
        mutator = Mutator(seed)
        return [mutator.damaged(sample, JSON) for _ in range(200)] + [
            mutator.damaged(packed, MSGPACK) for _ in range(200)
        ]

    assert drawn("a") == drawn("a")
    assert drawn("a") != drawn("b")
    assert len(set(drawn("a"))) > 200
