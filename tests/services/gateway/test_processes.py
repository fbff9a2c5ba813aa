import os
import subprocess
import sys

from services.gateway.processes import PAGE_BYTES, Process, resident_bytes, siblings


def made(proc, pid, *words, pages=3):
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")
    (proc / str(pid) / "statm").write_text(f"100 {pages} 1")


def children(proc, pid, text):
    (proc / str(pid) / "task" / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "task" / str(pid) / "children").write_text(text)


def test_the_services_beside_us_are_found_with_their_memory(tmp_path):
    children(tmp_path, 1, "10 11 12 13 ")
    made(tmp_path, 10, "python", "-m", "services.bus.main")
    made(tmp_path, 11, "/usr/bin/python3.11", "-P", "-m", "services.venue_sim.main", pages=9)
    made(tmp_path, 12, "sleep", "5")

    found = siblings(1, tmp_path)

    assert found == {"bus": Process(10, 3 * PAGE_BYTES), "venue_sim": Process(11, 9 * PAGE_BYTES)}


def test_a_kernel_that_lists_no_children_leaves_nothing_known(tmp_path):
    assert siblings(1, tmp_path) == {}


def test_a_real_child_is_found():
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()", "services.risk.main"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        child.stdout.readline()
        found = siblings(os.getpid())
        assert found["risk"].pid == child.pid
        assert found["risk"].rss_bytes > 2**20
        assert resident_bytes(child.pid) > 2**20
    finally:
        child.communicate()
