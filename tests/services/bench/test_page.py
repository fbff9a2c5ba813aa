"""The page of results: what lies between the marks, and nothing else, is replaced."""

import json

import pytest

from services.bench import page
from services.bench.figures import Figure
from shared.errors import QuotemeshError

EMPTY = f"# Benchmarks\n\nbefore\n\n{page.BEGIN}\n{page.END}\n\nafter\n"


def report(machine="quiet", **figures):
    fields = {name: [page.figure_fields(one) for one in found] for name, found in figures.items()}
    return json.loads(json.dumps({"machine": {"processor": machine, "commit": "abc"}, "figures": fields}))


def figure(value=1.5, **fields):
    return Figure(name="update", unit="ns", value=value, at_most=2, rounds=[1.5, 1.6], **fields)


def test_machine_commit_table_notes_and_raw_rounds_stand_between_the_marks():
    done = page.with_results(EMPTY, report(kernels=[figure(note="how")]))

    assert done.startswith("# Benchmarks\n\nbefore\n\n")
    assert done.endswith(f"{page.END}\n\nafter\n")
    assert "processor quiet, commit abc" in done
    assert figure().line() in done
    assert "- how" in done
    assert "update: [1.5, 1.6]" in done


def test_filling_the_page_twice_changes_nothing():
    once = page.with_results(EMPTY, report(kernels=[figure()], fused=[figure()]))

    assert page.with_results(once, report(kernels=[figure()], fused=[figure()])) == once


def test_a_bench_that_was_not_run_keeps_its_former_section():
    former = page.with_results(EMPTY, report("old", kernels=[figure()], fused=[figure(value=7.0)]))

    done = page.with_results(former, report("new", kernels=[figure(value=1.0)]))

    assert done.index("### kernels") < done.index("### fused")
    assert done.count("processor old") == 1
    assert done.count("processor new") == 1
    assert figure(value=7.0).line() in done
    assert figure(value=1.5).line() not in done


@pytest.mark.parametrize(
    "broken",
    ["no marks", page.BEGIN, f"{page.END}\n{page.BEGIN}", EMPTY + EMPTY],
)
def test_a_page_without_one_pair_of_marks_is_left_alone(broken):
    with pytest.raises(QuotemeshError, match="add them"):
        page.with_results(broken, report(kernels=[figure()]))


def test_a_figure_survives_the_way_through_json():
    one = figure(peer=1.25, ratio_max=1.3, peer_name="prototype", note="how")

    found = page.figure_of(json.loads(json.dumps(page.figure_fields(one))))

    assert found == one


def test_a_figure_without_a_unit_comes_back_from_its_fields():
    missed = Figure(name="events missed", unit="", value=0, at_most=0)

    assert page.figure_of(page.figure_fields(missed)) == missed
