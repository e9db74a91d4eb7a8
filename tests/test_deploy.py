"""The container and the unit: nothing here can build or run them, but what they name must exist."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from affekt.cli import build_app


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile, continued lines joined."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split()[0], line.partition(" ")[2]) for line in text.splitlines() if line.strip()]


def assert_understood(words: list[str]) -> None:
    """The command line knows the command and all its options."""
    assert words[:2] == ["affekt", "serve"]
    command = typer.main.get_command(build_app(words[1:])).commands["serve"]
    known = {flag for param in command.params for flag in param.opts}
    given = {word for word in words[2:] if word.startswith("--")}
    assert given <= known, given - known


@pytest.fixture(scope="module")
def dockerfile(repository: Path) -> list[tuple[str, str]]:
    return instructions(repository / "Dockerfile")


def test_the_image_copies_what_exists_and_is_sent_to_the_builder(repository, dockerfile):
    sent = (repository / ".dockerignore").read_text().splitlines()
    for name, rest in dockerfile:
        if name == "COPY" and not rest.startswith("--from"):
            *sources, _ = rest.split()
            for source in sources:
                assert (repository / source).exists(), source
                assert f"!{source.removeprefix('./')}" in sent, source
    # hatchling reads these when it builds the package
    project = (repository / "pyproject.toml").read_text()
    built_from = re.search(
        r"^\[tool.hatch.build.targets.wheel.force-include\]\n((?:\".*\n)+)", project, re.M
    )
    assert built_from is not None
    needed = [line.split('"')[1] for line in built_from[1].splitlines()]
    for file in (*needed, "hatch_build.py", "README.md", "LICENSE", "src"):
        assert f"!{file}" in sent, file
    assert "[serve,stream]" in (repository / "Dockerfile").read_text()
    assert re.search(r"^serve = \[", project, re.M)
    assert re.search(r"^stream = \[", project, re.M)


def test_the_image_is_not_root_and_starts_a_server(dockerfile):
    final = dockerfile[max(i for i, (name, _) in enumerate(dockerfile) if name == "FROM") :]
    names = [name for name, _ in final]
    assert dict(final)["USER"].split(":")[0].isdigit()
    assert dict(final)["USER"] != "0:0"
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert_understood(json.loads(dict(final)["ENTRYPOINT"]))
    health = json.loads(dict(final)["HEALTHCHECK"].partition("CMD ")[2])
    compile(health[2], "healthcheck", "exec")
    assert "/health/ready" in health[2]


def test_the_composition_adds_no_rights(repository, dockerfile):
    yaml = pytest.importorskip("yaml")
    service = yaml.safe_load((repository / "compose.yaml").read_text())["services"]["affekt"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    entry = json.loads(dict(dockerfile)["ENTRYPOINT"])
    assert_understood(entry + service["command"])


def test_the_unit_starts_a_server_without_rights(repository):
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(repository / "deploy" / "affekt.service")
    service = unit["Service"]
    words = shlex.split(service["ExecStart"])
    assert_understood(["affekt", *words[1:]])
    assert service["DynamicUser"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
