"""The source of a run: which files of a folder belong to it, as a zip.

Rules are Azure ML v1's: `.amlignore` at the root of the folder, else `.gitignore` there, in gitignore's syntax. Beside them
`ALWAYS_LEFT_OUT` never goes along: no one wants their virtual environment in a snapshot.

Workspaces are left out, too, and not even read. When a process closes any descriptor of an SQLite database, the kernel drops
every lock the process has on it (https://www.sqlite.org/howtocorrupt.html, section 2.2), and other writers then damage it.
"""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pathspec

from tracklog.errors import InvalidValueError, shown
from tracklog.sdk.exceptions import SnapshotException
from tracklog.storage import DATABASE, DATABASE_FILES

if TYPE_CHECKING:
    from tracklog.sdk.run import Run

_OF_A_WORKSPACE = frozenset({*DATABASE_FILES, "workspace.lock", "artifacts", "journals"})
MAX_BYTES = 300 << 20  # of a snapshot taken by itself at the start of a run
MAX_FILES = 2000
ALWAYS_LEFT_OUT = (".git/", "__pycache__/", ".tracklog/", ".venv/", "venv/", "node_modules/", ".ipynb_checkpoints/")


def files_of(root: Path) -> Iterator[Path]:
    """Yield the files of a snapshot of a folder, or the file itself, links that lead out of the folder left out.

    Raises:
        InvalidValueError: there is no such file or folder.
    """
    if root.is_file():
        yield root
        return
    if not root.is_dir():
        raise InvalidValueError(
            f"Cannot take a snapshot of {shown(str(root))}: there is no such file or folder.", parameter="path", given=str(root)
        )
    rules = _rules(root)
    yield from files_below(root, rules.match_file)


def files_below(root: Path, is_left_out: Callable[[str], bool] = lambda _: False) -> Iterator[Path]:
    """Yield the files below a folder by name, but for workspaces and for links that lead out of the folder.

    Args:
        is_left_out: asked for each path below the folder; those of folders end with a slash.
    """
    inside = root.resolve()
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        below = here.relative_to(root)
        own: frozenset[str] = frozenset()
        if DATABASE in names:
            if here != root:
                folders.clear()
                continue
            own = _OF_A_WORKSPACE  # whoever works inside a workspace may have files of their own there
        folders[:] = sorted(one for one in folders if one not in own and not is_left_out(f"{(below / one).as_posix()}/"))
        for name in sorted(names):
            file = here / name
            if name in own or is_left_out((below / name).as_posix()):
                continue
            if file.is_file() and file.resolve().is_relative_to(inside):
                yield file


def too_large(root: Path) -> str | None:
    """Return why a folder is too large to be kept with each run, None if it is not."""
    size = 0
    for count, file in enumerate(files_of(root), start=1):
        size += file.stat().st_size
        if count > MAX_FILES or size > MAX_BYTES:
            what = f"more than {MAX_FILES:,} files" if count > MAX_FILES else f"more than {MAX_BYTES >> 20} MB"
            return f"{root.absolute()} has {what}"
    return None


def take(run: Run, folder: Path) -> None:
    """Keep a folder as the source of a run that starts; where that cannot be, say so and go on."""
    try:
        reason = too_large(folder)
        if reason is None:
            run.take_snapshot(folder)
    except (SnapshotException, OSError) as error:
        reason = getattr(error, "message", str(error))
    if reason is not None and not run.experiment.workspace.settings.quiet:
        print(  # noqa: T201
            f"tracklog: no snapshot of the source is kept: {reason.rstrip('.')}. Name what does not belong to it in .amlignore, "
            "or pass snapshot_directory=None.",
            file=sys.stderr,
        )


def write_zip(root: Path, target: Path) -> None:
    """Write a snapshot of a folder or file; paths in it are relative to the folder.

    Raises:
        SnapshotException: a file cannot be read, or the snapshot not be written.
    """
    base = root if root.is_dir() else root.parent
    file = root
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files_of(root):
                # Times before 1980, which zip cannot hold, become 1980.
                info = zipfile.ZipInfo.from_file(file, file.relative_to(base).as_posix(), strict_timestamps=False)
                info.compress_type = zipfile.ZIP_DEFLATED
                with file.open("rb") as source, archive.open(info, "w") as sink:
                    while piece := source.read(1 << 20):
                        sink.write(piece)
    except OSError as error:
        raise SnapshotException(f"Cannot take a snapshot of {root}: {file}: {error.strerror or error}.") from error


def _rules(root: Path) -> pathspec.GitIgnoreSpec:
    lines = list(ALWAYS_LEFT_OUT)
    for name in (".amlignore", ".gitignore"):
        file = root / name
        if file.is_file() and not (name == ".gitignore" and (root / DATABASE).exists()):  # a workspace's own says `*`
            lines += file.read_text(errors="replace").splitlines()
            break
    return pathspec.GitIgnoreSpec.from_lines(lines)
