"""What is installed: the locks agree with each other and with the imports, and the wheel contains everything that the service needs."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Literal

import pytest
from hatchling.builders.wheel import WheelBuilder

from campaign.config import ROOT, resource

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-test.lock"]
DEV_STACK = ("campaign/devstack/",)
RESOURCES: tuple[Literal["migrations", "templates", "translations"], ...] = ("migrations", "templates", "translations")


def normalized(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def pins_of(lock: str) -> set[str]:
    return set(re.findall(r"(?m)^([\w.-]+==\S+)", (ROOT / lock).read_text()))


def declared(*groups: str) -> set[str]:
    found = {normalized(r) for r in PROJECT["project"]["dependencies"]}
    for group in groups:
        found |= {normalized(r) for r in PROJECT["dependency-groups"][group] if isinstance(r, str)}
    return found


def imported_by(paths: list[Path]) -> set[str]:
    """The distributions that these files import."""
    found, distributions = set(), packages_distributions()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            top = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"campaign", "workers"}
            found |= {normalized(distributions[name][0]) for name in top}
    return found


def files(*folders: str) -> Iterator[str]:
    for folder in folders:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                yield path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    [path] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    return Path(path)


def test_each_lock_contains_the_pins_of_the_one_before() -> None:
    service, dev, test = (pins_of(lock) for lock in LOCKS)
    assert service < dev < test


@pytest.mark.parametrize("lock", [*LOCKS, "requirements-uv.lock"])
def test_a_lock_names_no_registry(lock: str) -> None:
    assert re.findall(r"(?m)^ *-.*(?:index|find-links).*|\w+://.*", (ROOT / lock).read_text()) == []


def test_the_service_declares_what_it_imports_and_needs_nothing_else() -> None:
    service = [ROOT / p for p in files("campaign", "migrations", "workers") if p.endswith(".py") and not p.startswith(DEV_STACK)]
    assert imported_by([*service, ROOT / "wsgi.py"]) - declared() == set()


def test_the_dev_stack_declares_what_it_imports() -> None:
    dev_stack = [ROOT / p for p in files("campaign") if p.endswith(".py") and p.startswith(DEV_STACK)]
    assert imported_by(dev_stack) - declared("devstack") == set()


def test_the_wheel_contains_the_service_with_its_resources_and_not_the_dev_stack(wheel: Path) -> None:
    expected = {p for p in files("campaign", "workers") if not p.startswith(DEV_STACK)} | {"wsgi.py"}
    expected |= {f"campaign/{p}" for p in files(*RESOURCES)} | {"campaign/tools/verify_statement.py"}
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if ".dist-info/" not in name} == expected


def test_resources_are_found_in_a_checkout_and_in_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    assert {name: resource(name) for name in RESOURCES} == {name: ROOT / name for name in RESOURCES}
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = f"from campaign.config import resource\nfor name in {RESOURCES}: print(resource(name))"
    shown = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(tmp_path)}, cwd="/", capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == [str(tmp_path / "campaign" / name) for name in RESOURCES]
