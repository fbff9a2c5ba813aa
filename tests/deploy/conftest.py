"""A real container engine, the image built by it, and containers of it that are always removed."""

import json
import os
import re
import shutil
import subprocess
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "quotemesh-test"
WAIT_S = 120.0
BUILD_S = 900


class Engine:
    """The engine's command line, with the variables that lead to it."""

    def __init__(self, environment):
        self.environment = {
            k: v for k, v in os.environ.items() if not k.startswith("QUOTEMESH")
        } | environment

    def answers(self):
        try:
            return self.run("docker", "info", timeout=30).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def run(self, *words, timeout=180, text=None):
        return subprocess.run(
            [str(word) for word in words],
            cwd=ROOT,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def must(self, *words, timeout=180, text=None):
        done = self.run(*words, timeout=timeout, text=text)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def inspect(self, name):
        return json.loads(self.must("docker", "inspect", name))[0]

    def wait(self, name, claim, limit_s=WAIT_S):
        """Return the first state of a container for which `claim` holds; a time limit, not a measure."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            found = self.inspect(name)
            if claim(found["State"]):
                return found
            time.sleep(0.2)
        logs = self.run("docker", "logs", "--tail", "30", name)
        raise AssertionError(
            f"waited {limit_s} s in vain for {name}: {found['State']}\n{logs.stdout}{logs.stderr}"
        )

    def wait_healthy(self, name):
        return self.wait(name, lambda state: state.get("Health", {}).get("Status") == "healthy")


def absent(what, how_to_get):
    """Skip the running test, or fail it in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing: {how_to_get}", pytrace=False)
    pytest.skip(f"{what} is missing: {how_to_get}")


@pytest.fixture(scope="session")
def engine(captures):
    """The engine that answers, else the one that tools/docker_engine.sh beside the captures has started."""
    script = captures.parent / "tools" / "docker_engine.sh"
    found = [Engine({})]
    if script.exists():
        said = subprocess.run([str(script), "env"], capture_output=True, text=True, check=True).stdout
        found.append(Engine(dict(re.findall(r"(\w+)=(\S+)", said))))
    for one in found:
        if one.answers():
            return one
    start = f"as root: {script} start" if script.exists() else "install docker and start it"
    return absent("a container engine", start)


@pytest.fixture(scope="session")
def image(engine):
    """The image of this tree; the variables of pip reach the first stage of the build and nothing else."""
    mirrors = [f"--build-arg={name}" for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")]
    build = ("docker", "build", "--network", "host", "-q", "-f", "deploy/Dockerfile", *mirrors)
    engine.must(*build, "-t", IMAGE, ".", timeout=BUILD_S)
    engine.must(*build, "--target", "fly", "-t", f"{IMAGE}:fly", ".", timeout=BUILD_S)
    return IMAGE


@pytest.fixture
def volume(engine):
    """A volume that is gone afterwards, and every container with it."""
    name = f"quotemesh-test-{uuid.uuid4().hex[:8]}"
    engine.must("docker", "volume", "create", name)
    yield name
    left = engine.must("docker", "ps", "-aq", "--filter", f"volume={name}").split()
    if left:
        engine.run("docker", "rm", "-f", *left)
    engine.run("docker", "volume", "rm", name)


class Project:
    """docker-compose on the repository's file, as a project of its own."""

    def __init__(self, engine, image, port, override):
        self.name = f"quotemesh-test-{uuid.uuid4().hex[:8]}"
        self.engine = Engine(
            {
                **engine.environment,
                "QUOTEMESH_IMAGE": image,
                "QUOTEMESH_PORT": str(port),
                "COMPOSE_IGNORE_ORPHANS": "1",
            }
        )
        plugin = engine.run("docker", "compose", "version")
        self.command = ("docker", "compose") if plugin.returncode == 0 else ("docker-compose",)
        if plugin.returncode != 0 and shutil.which("docker-compose") is None:
            absent("docker-compose", "apt-get install docker-compose")
        self.files = ("-f", str(ROOT / "docker-compose.yml"), "-f", str(override))

    def run(self, *words, **options):
        return self.engine.run(*self.command, "-p", self.name, *self.files, *words, **options)

    def must(self, *words, **options):
        done = self.run(*words, **options)
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def container(self):
        return self.must("ps", "-q", "quotemesh").strip()

    def tell(self, *words):
        """Return what a quotemesh command says inside the running container."""
        return self.engine.must("docker", "exec", self.container(), "quotemesh", *words)

    def ask_stopped(self, *words):
        """Return what a quotemesh command says about the volume of the container that does not run."""
        return self.must("run", "--rm", "-T", "--no-deps", "quotemesh", *words)


@pytest.fixture
def make_project(engine, image, tmp_path):
    """A maker of compose projects; all are taken down with their volumes."""
    made = []

    def make(port, environment):
        override = tmp_path / "override.json"
        override.write_text(json.dumps({"services": {"quotemesh": {"environment": environment}}}))
        made.append(Project(engine, image, port, override))
        return made[-1]

    yield make
    for project in made:
        project.run("down", "-v", "-t", "20")
