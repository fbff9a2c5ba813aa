"""`test` ends with what was left out, by the reasons that the tests themselves give."""

from pathlib import Path

from services.cli.run_tests import _left_out, _steps

SKIPPED = """<testsuites><testsuite name="pytest" tests="3">
<testcase name="a"><skipped type="pytest.skip" message="recorded market data is missing: set it"/></testcase>
<testcase name="b"><skipped type="pytest.skip" message="recorded market data is missing: set it"/></testcase>
<testcase name="c"/>
</testsuite></testsuites>"""


def test_reasons_of_skipped_tests_are_counted(tmp_path: Path) -> None:
    results = tmp_path / "fast.xml"
    results.write_text(SKIPPED)

    assert ("recorded market data is missing: set it", 2) in _left_out([results])


def test_a_run_that_did_not_end_is_not_taken_for_complete(tmp_path: Path) -> None:
    reasons = [reason for reason, _ in _left_out([tmp_path / "mesh.xml"])]

    assert any("mesh" in reason for reason in reasons)


def test_a_file_of_mesh_tests_stays_on_one_worker_and_kernels_run_uncompiled_too(tmp_path: Path) -> None:
    steps = {step.name: step for step in _steps(tmp_path)}

    assert "-n" in steps["tests"].command
    assert "loadfile" in steps["tests of the whole mesh"].command
    assert steps["kernels uncompiled"].environment == {"QUOTEMESH_KERNELS": "python"}
