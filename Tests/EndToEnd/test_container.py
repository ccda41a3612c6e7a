"""The container files. No container engine is needed: they are linted, and their commands run without an image."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

from support.server import REPOSITORY

CONTAINER = REPOSITORY / "deploy/container"
DOCKERFILE = (CONTAINER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((CONTAINER / "compose.yaml").read_text())


def test_hadolint_finds_nothing():
    hadolint = pathlib.Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", CONTAINER / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("name", ["program", "web"])
def test_each_service_runs_with_minimal_rights(name):
    service = COMPOSE["services"][name]
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


def test_nginx_accepts_the_configuration_of_the_image(server, tmp_path):
    recipe = re.search(r"^RUN (deploy/nginx-conf .*?)$(?!\n {4,})", DOCKERFILE, re.M | re.S)[1].replace("\\\n", " ")
    assert recipe.endswith(">/nginx.conf")
    path = tmp_path / "nginx.conf"
    subprocess.run(
        ["sh", "-c", recipe.replace(">/nginx.conf", f">{path}").replace("--state /tmp", f"--state {tmp_path}")
         .replace('"/tmp/', f'"{tmp_path}/')], cwd=REPOSITORY, check=True)
    text = path.read_text()
    assert "listen 8080;" in text and "/dev/stdout" in text and "/dev/stderr" in text and "listen 127." not in text
    done = subprocess.run(["nginx", "-t", "-c", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
