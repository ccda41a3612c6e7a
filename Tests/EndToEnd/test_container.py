"""The container files. No container engine is needed: they are linted, and their commands run without an image."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from support.object_store import free_ports, sockets_of_the_engine
from support.server import PROGRAM, REPOSITORY, wait_until

CONTAINER = REPOSITORY / "deploy/container"
DOCKERFILE = (CONTAINER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((CONTAINER / "compose.yaml").read_text())
BUCKET_COMPOSE = yaml.safe_load((CONTAINER / "compose-bucket.yaml").read_text())


def test_hadolint_finds_nothing():
    hadolint = pathlib.Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", CONTAINER / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize(
    "service", [*COMPOSE["services"].values(), *(BUCKET_COMPOSE["services"][name] for name in ("host1", "host2", "web", "bucket"))])
def test_each_service_runs_with_minimal_rights(service):
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    stage = re.search(rf" AS {service['build']['target']}$(.*?)(?=^FROM|\Z)", DOCKERFILE, re.M | re.S)[1]
    assert re.search(r"^USER [1-9]\d*:10001$", stage, re.M) and "\nHEALTHCHECK " in stage
    assert (CONTAINER / service["build"]["context"]).resolve() == REPOSITORY


def test_the_libraries_are_those_that_the_readme_names():
    installed = set(re.findall(r"\b(lib[\w.+-]+)", re.search(r" AS program$(.*?)&& rm", DOCKERFILE, re.M | re.S)[1]))
    named = set(re.findall(r"`(lib\w[\w.+-]*)`", re.search(
        r"linked against Debian's (.*)\.$", (REPOSITORY / "deploy/README.md").read_text(), re.M)[1]))
    assert installed - {"libfcgi-bin"} == named


def health_check(stage: str) -> str:
    text = re.search(rf" AS {stage}$.*?^HEALTHCHECK .*? CMD (.*?[^\\])$", DOCKERFILE, re.M | re.S)[1]
    return text.replace("\\\n", " ")


def healthy(command: str, **variables) -> bool:
    done = subprocess.run(["sh", "-c", command], env=os.environ | variables, stdin=subprocess.DEVNULL, timeout=30,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def test_the_health_check_of_the_program_fails_if_the_program_does_not_answer(server):
    command = health_check("program")
    assert healthy(command, RESUMABLED_SOCKET=str(server.socket))
    server.stop_program()
    assert not healthy(command, RESUMABLED_SOCKET=str(server.socket))
    server.start_program()


def test_the_health_check_of_nginx_fails_if_nginx_or_the_program_does_not_answer(server):
    command = health_check("web").replace(":8080", f":{server.port}")
    assert healthy(command)
    server.stop_program()
    assert not healthy(command)
    server.start_program()


def sockets_of_the_image() -> str:
    return re.search(r'^ARG SOCKETS="(.*)"$', DOCKERFILE, re.M)[1]


@pytest.mark.parametrize(
    "sockets", [sockets_of_the_image(), BUCKET_COMPOSE["services"]["web"]["build"]["args"]["SOCKETS"]])
def test_nginx_accepts_the_configuration_of_the_image(server, tmp_path, sockets):
    recipe = re.search(r"^RUN (deploy/nginx-conf .*?)$(?!\n {4,})", DOCKERFILE, re.M | re.S)[1].replace("\\\n", " ")
    assert recipe.endswith(">/nginx.conf")
    path = tmp_path / "nginx.conf"
    subprocess.run(
        ["sh", "-c", recipe.replace(">/nginx.conf", f">{path}").replace("--state /tmp", f"--state {tmp_path}")
         .replace('"/tmp/', f'"{tmp_path}/')], cwd=REPOSITORY, check=True, env=os.environ | {"SOCKETS": sockets})
    text = path.read_text()
    assert "listen 8080;" in text and "/dev/stdout" in text and "/dev/stderr" in text and "listen 127." not in text
    assert re.findall(r'server "unix:(.*)";', text) == sockets.replace("--socket", "").split()
    done = subprocess.run(["nginx", "-t", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nginx_reaches_the_hosts_that_share_a_bucket_and_only_they_reach_the_engine():
    services = BUCKET_COMPOSE["services"]
    hosts = [services["host1"], services["host2"]]
    sockets = [host["environment"]["RESUMABLED_SOCKET"] for host in hosts]
    assert services["web"]["build"]["args"]["SOCKETS"].replace("--socket", "").split() == sockets
    assert services["web"]["volumes"] == ["sockets:/run/resumabled:ro"]
    for host in hosts:
        assert "sockets:/run/resumabled" in host["volumes"] and host["networks"] == ["storage"]
        # A bucket excludes a root, which the image has.
        assert host["environment"]["RESUMABLED_ROOT"] == "" and host["environment"]["RESUMABLED_BUCKET"]
    assert BUCKET_COMPOSE["networks"] == {"storage": {"internal": True}}
    assert services["engine"]["networks"] == ["storage"] and "ports" not in services["engine"]
    assert "networks" not in services["web"]


@pytest.mark.objects
def test_the_engine_and_a_host_of_the_compose_file_work_together(tmp_path):
    """Their commands, with ports of this machine, and a root file system that can be written."""
    engine, bucket, host = (BUCKET_COMPOSE["services"][name] for name in ("engine", "bucket", "host1"))
    s3, master, volume, filer = free_ports(4)
    command = engine["command"].replace("/data", str(tmp_path)).replace("-ip=engine -ip.bind=0.0.0.0", "-ip=127.0.0.1")
    ports = [f"-s3.port={s3}", f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
             "-s3.port.iceberg=0", "-s3.port.lance=0", f"-filer.localSocket={tmp_path}/filer", "-ip.bind=127.0.0.1",
             f"-s3.localSocket={tmp_path}/s3"]
    secret = {"AWS_SECRET_ACCESS_KEY": "a secret"}
    weed = pathlib.Path(sys.executable).with_name("weed")
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(
            [weed, *command.split(), *ports], cwd=tmp_path, env=os.environ | engine["environment"] | secret,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        check = engine["healthcheck"]["test"].replace(":8333", f":{s3}")
        wait_until(lambda: healthy(check), 60, "the engine is healthy")
        for _ in range(2):
            command = bucket["command"][0].replace("engine:8333", f"127.0.0.1:{s3}").replace("$$", "$")
            assert healthy(command, **secret)
        environment = os.environ | host["environment"] | secret | {
            "RESUMABLED_ENDPOINT": f"http://127.0.0.1:{s3}", "RESUMABLED_SOCKET": str(tmp_path / "socket")}
        done = subprocess.run([PROGRAM, "check"], env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        process.kill()
        process.wait()
        for path in sockets_of_the_engine([s3, master, volume, filer]):
            path.unlink()
