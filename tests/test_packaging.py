"""What `pip install` brings: the built portal, types and licence, and nothing that only this repository needs."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import tracklog

ROOT = Path(__file__).resolve().parent.parent


def _built(kind: str, folder: Path) -> Path:
    """Return a wheel or sdist built from this tree."""
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [file] = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(_built("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


def test_the_wheel_has_the_portal_with_every_file_its_page_names(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    page = wheel.read("tracklog/server/portal/index.html").decode()
    assets = re.findall(r'(?:src|href)="\.?/?(assets/[^"]+)"', page)

    assert {name.rpartition(".")[2] for name in assets} >= {"js", "css"}
    assert {f"tracklog/server/portal/{name}" for name in assets} <= names
    assert "tracklog/server/portal/licenses.md" in names


def test_the_wheel_has_types_licence_and_command(wheel: zipfile.ZipFile) -> None:
    info = f"tracklog-{tracklog.__version__}.dist-info"
    names = set(wheel.namelist())
    metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))

    assert {"tracklog/py.typed", f"{info}/licenses/LICENSE"} <= names
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Version"] == tracklog.__version__
    assert "tracklog = tracklog.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()


def test_the_wheel_has_nothing_but_the_package(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()

    assert {name.partition("/")[0] for name in names} == {"tracklog", f"tracklog-{tracklog.__version__}.dist-info"}
    assert [name for name in names if re.search(r"\.(ts|svelte|map|pyc)$|node_modules|\.sources\.sha256", name)] == []


def test_the_sdist_has_what_is_needed_to_build_and_test(tmp_path: Path) -> None:
    with tarfile.open(_built("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {
        "LICENSE",
        "Makefile",
        "hatch_build.py",
        "portal/package-lock.json",
        "portal/src/main.ts",
        "pyproject.toml",
        "requirements-dev.lock",
        "src/tracklog/server/portal/index.html",
        "tests/test_packaging.py",
    } <= names
    assert [name for name in names if re.match(r"portal/node_modules|\.venv|\.tracklog|site/|dist/", name)] == []


def test_the_lock_names_no_index_and_every_dependency_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    locked = (ROOT / "requirements-dev.lock").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", locked, re.MULTILINE))
    wanted = set(re.findall(r'["\[]([a-z][a-z0-9-]+)(?:\[[a-z]+\])?>=[0-9]', project))

    assert "://" not in locked
    assert "--" not in locked
    assert {"numpy", "psycopg", "pytest", "ruff", "scikit-learn"} <= wanted
    assert wanted - names == set()
