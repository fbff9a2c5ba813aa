"""The rules of the deployment files: what a container may do, how it is stopped, what it shows to others."""

import configparser
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from services.cli.mesh import CANCELLER, SERVICES, STAGES

ROOT = Path(__file__).resolve().parents[2]
GATEWAY_PORT = 8686
# Keys of a service that docker-compose 1.29, the one that Debian 12 has, understands.
COMPOSE_1_29_KEYS = {
    "build", "cap_add", "cap_drop", "command", "container_name", "depends_on", "devices", "dns",
    "entrypoint", "env_file", "environment", "expose", "extra_hosts", "healthcheck", "hostname",
    "image", "init", "labels", "logging", "mem_limit", "network_mode", "networks", "pids_limit",
    "ports", "privileged", "profiles", "read_only", "restart", "secrets", "security_opt", "shm_size",
    "stop_grace_period", "stop_signal", "tmpfs", "ulimits", "user", "volumes", "working_dir",
}  # fmt: skip
COMPOSE_1_29_HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period", "disable"}


def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def fly():
    return tomllib.loads((ROOT / "deploy" / "fly.toml").read_text())


def dockerfile():
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    return re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))


def stages():
    """Return the instructions of each stage, in order."""
    parts = re.split(r"(?m)^FROM ", dockerfile())[1:]
    return [["FROM " + part.splitlines()[0], *filter(None, part.splitlines()[1:])] for part in parts]


def supervisord():
    conf = configparser.ConfigParser(interpolation=None)
    conf.read(ROOT / "supervisord.conf")
    return conf


def seconds(text):
    match = re.fullmatch(r"(\d+)s?", str(text))
    assert match, f"{text!r}: write it in seconds"
    return int(match[1])


def drain_s():
    """Return the longest time that an orderly stop takes: one stage after the other, each to its limit."""
    conf = supervisord()
    longest = {name: int(conf[f"program:{name}"]["stopwaitsecs"]) for name in SERVICES}
    return sum(max(longest[name] for name in stage) for stage in STAGES)


@pytest.mark.req("OP-1")
def test_compose_uses_nothing_newer_than_1_29():
    found = compose()

    assert "version" not in found, "the file follows the compose specification, as 1.27 and newer read it"
    assert {key for key in found if not key.startswith("x-")} <= {
        "services",
        "volumes",
        "networks",
        "secrets",
    }
    for name, service in found["services"].items():
        assert set(service) <= COMPOSE_1_29_KEYS, f"{name}: {set(service) - COMPOSE_1_29_KEYS}"
        assert set(service.get("healthcheck", {})) <= COMPOSE_1_29_HEALTH_KEYS
        assert set(service["build"]) <= {"context", "dockerfile", "args", "target", "network", "cache_from"}


@pytest.mark.req("OP-2", "OP-11")
def test_a_container_of_compose_can_do_nothing_but_its_work():
    for name, service in compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] not in {"0", "root"}, name
        assert not service.get("privileged"), name
        assert all("docker.sock" not in volume for volume in service["volumes"]), name
        assert service["pids_limit"] > 0, name
        assert "environment" not in service, f"{name}: no setting or secret stands in the file"
        assert "env_file" not in service, name


@pytest.mark.req("OP-1", "GW-3")
def test_compose_publishes_the_gateway_on_this_machine_only():
    for service in compose()["services"].values():
        for port in service.get("ports", []):
            assert re.fullmatch(rf"127\.0\.0\.1:(\d+|\$\{{QUOTEMESH_PORT:-8686\}}):{GATEWAY_PORT}", port), (
                port
            )
        assert service.get("network_mode") in {None, "none"}


@pytest.mark.req("OP-5")
def test_each_container_keeps_everything_in_one_volume():
    found = compose()
    kept = [
        volume
        for service in found["services"].values()
        for volume in service["volumes"]
        if not volume.endswith(":ro")
    ]

    assert all(volume.endswith(":/data") for volume in kept)
    assert len(kept) == len(found["services"])
    assert len({volume.split(":")[0] for volume in kept}) == len(kept), "two meshes share a data directory"
    assert {volume.split(":")[0] for volume in kept} == set(found["volumes"])
    assert stages()[-1].count("VOLUME /data") == 1
    assert dockerfile().count("VOLUME") == 1


@pytest.mark.req("OP-16", "OP-18")
def test_a_stop_is_a_sigterm_with_more_time_than_an_orderly_end_takes():
    for service in compose()["services"].values():
        assert service["stop_signal"] == "SIGTERM"
        assert seconds(service["stop_grace_period"]) > drain_s()
    assert "STOPSIGNAL SIGTERM" in dockerfile()
    assert fly()["kill_signal"] == "SIGTERM"
    assert max(30, drain_s() + 1) <= fly()["kill_timeout"] <= 300


@pytest.mark.req("OP-3", "GW-15")
def test_health_is_what_readyz_says():
    check = compose()["services"]["quotemesh"]["healthcheck"]["test"]
    built_in = next(line for line in dockerfile().splitlines() if line.startswith("HEALTHCHECK"))

    assert check[0] == "CMD"
    assert f"http://127.0.0.1:{GATEWAY_PORT}/readyz" in check[-1]
    assert check[-1] in built_in


def test_other_ways_to_run_are_profiles_and_the_plain_one_needs_none():
    services = compose()["services"]

    assert "profiles" not in services["quotemesh"]
    assert services["quotemesh"]["restart"] == "unless-stopped"
    assert all(service.get("profiles") for name, service in services.items() if name != "quotemesh")


@pytest.mark.req("OP-2")
def test_the_image_is_made_in_stages_and_runs_as_nobody_special():
    build, *_, last = stages()

    assert {stage[0].split()[1] for stage in stages()} == {"python:3.11-slim-bookworm", "fly"}
    assert any("bootstrap.make" in line and "is_compiled()" in line for line in build)
    assert not any(
        word in line for stage in stages()[1:] for line in stage for word in ("gcc", "pip ", "ARG")
    )
    assert [line for line in last if line.startswith("USER")] == ["USER 10001:10001"]
    assert 'ENTRYPOINT ["/usr/bin/tini", "--", "quotemesh"]' in last
    assert 'CMD ["up", "--foreground"]' in last


def test_no_index_or_certificate_of_a_machine_gets_into_the_image():
    text = dockerfile()

    assert not re.search(r"PIP_\w+\s*=|--index-url|--trusted-host|://(?!127\.0\.0\.1)", text)
    assert all(re.fullmatch(r"ARG \w+", line) for line in text.splitlines() if line.startswith("ARG"))


def test_only_what_the_image_is_made_of_is_sent_to_the_engine():
    rules = (ROOT / ".dockerignore").read_text().split("\n")
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}

    assert rules[0] == "*"
    assert allowed.isdisjoint({".git", ".venv", "data", "tests", "docs", "deploy"})
    for sources in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", dockerfile()):
        for source in sources.split():
            assert any(source == name or source.startswith(f"{name}/") for name in allowed), source
            assert (ROOT / source).exists(), source


@pytest.mark.req("OP-4")
def test_fly_runs_one_machine_that_is_never_stopped_for_idleness():
    found = fly()
    service = found["http_service"]

    assert service["auto_stop_machines"] == "off"
    assert service["min_machines_running"] == 1
    assert found["deploy"]["strategy"] == "rolling", (
        "with one volume: stop, replace, start; never two at once"
    )
    assert found["deploy"]["max_unavailable"] == 1
    assert found["restart"] == [{"policy": "always"}]
    assert [mount["destination"] for mount in found["mounts"]] == ["/data"]
    assert "processes" not in found


@pytest.mark.req("OP-4")
def test_fly_reaches_the_gateway_only_over_tls_and_also_when_the_mesh_is_killed():
    found = fly()
    service = found["http_service"]

    assert service["internal_port"] == GATEWAY_PORT
    assert service["force_https"] is True
    assert "services" not in found
    # A machine whose service check fails is not reachable: a killed mesh must be, to be cleared.
    assert [check["path"] for check in service["checks"]] == ["/livez"]
    assert found["checks"]["ready"]["path"] == "/readyz"
    assert found["checks"]["ready"]["port"] == GATEWAY_PORT
    for check in (*service["checks"], *found["checks"].values()):
        assert check["headers"] == {"Host": "localhost"}, "the gateway refuses hosts that it does not know"


def test_fly_names_no_secret():
    for name in fly()["env"]:
        assert not re.search(r"TOKEN|SECRET|KEY|PASSWORD", name)


def test_flys_start_gives_up_root_for_good():
    script = (ROOT / "deploy" / "fly_start").read_text()

    checked = subprocess.run(["sh", "-n", str(ROOT / "deploy" / "fly_start")], check=False)

    assert checked.returncode == 0
    assert fly()["build"]["build-target"] == "fly"
    for needed in (
        "--reuid=10001",
        "--regid=10001",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
    ):
        assert needed in script


@pytest.mark.req("OP-18")
def test_supervisord_has_two_groups_and_stops_the_bus_last():
    conf = supervisord()
    groups = {
        section.removeprefix("group:"): conf[section]
        for section in conf.sections()
        if section.startswith("group:")
    }

    assert set(groups) == {"base", "services"}
    assert "bus" in groups["base"]["programs"].split(",")
    assert int(groups["base"]["priority"]) < int(groups["services"]["priority"]), "stopped in reverse order"
    members = ",".join(group["programs"] for group in groups.values()).split(",")
    assert sorted(members) == sorted((*SERVICES, CANCELLER))
    assert all(conf[f"program:{name}"]["autostart"] == "false" for name in (*SERVICES, CANCELLER))


@pytest.mark.req("OP-11")
def test_supervisord_and_its_configuration_hold_no_secret():
    conf = supervisord()

    for section in conf.sections():
        assert "environment" not in conf[section], f"{section}: variables come from `quotemesh up`, by name"
        assert not {"username", "password"} & set(conf[section])
    asked = set(re.findall(r"%\(ENV_(\w+)\)", (ROOT / "supervisord.conf").read_text()))
    assert asked == {"QUOTEMESH_DATA", "QUOTEMESH_SOCKETS", "QUOTEMESH_INTERPRETER"}
