"""An experiment: a named group of runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklog.sdk.values import metric_name

if TYPE_CHECKING:
    from tracklog.sdk.configuration import ScriptRunConfig
    from tracklog.sdk.run import Run
    from tracklog.sdk.submitted import ScriptRun
    from tracklog.sdk.workspace import Workspace


class ViewType:
    """Which experiments a list has."""

    ActiveOnly = "ActiveOnly"
    All = "All"
    ArchivedOnly = "ArchivedOnly"


class Experiment:
    """A named group of runs. It exists from its first run on."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.workspace = workspace
        self.name = metric_name(name, what="experiment")

    def start_logging(self, *args: Any, **kwargs: Any) -> Run:
        """Start an interactive run; end it with `complete()` or use it in a `with` block.

        Args:
            name: what people call the run.
            run_id: an id of your own.
            outputs: True or None: `./outputs` is made now and kept with the run at its end; a folder, or a list of them,
                instead; False: nothing is.
            snapshot_directory: folder kept as the run's source, "." by default; None: none. One that is too large is left
                out, with a line that says so.
            display_name: the same as `name`.
            description: free text.
            tags: labels.
        """
        return self._start_logging(*args, **kwargs)

    def _start_logging(
        self,
        name: str | None = None,
        run_id: str | None = None,
        outputs: bool | str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
        snapshot_directory: str | os.PathLike[str] | None = ".",
        *,
        display_name: str | None = None,
        description: str | None = "",
        tags: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Run:
        from tracklog.sdk import snapshot
        from tracklog.sdk.run import Run

        folders: list[Path] = []
        if outputs is None or outputs is True:
            folders = [Path("outputs")]
        elif outputs is not False:
            folders = [Path(one) for one in ([outputs] if isinstance(outputs, (str, os.PathLike)) else outputs)]
        run = Run.begin(self, name=display_name or name, run_id=run_id, description=description or "", tags=tags, **options)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            run.collect(folder.name, folder.absolute())
        if snapshot_directory is not None:
            reason = snapshot.too_large(Path(snapshot_directory))
            if reason is None:
                run.take_snapshot(snapshot_directory)
            elif not self.workspace.settings.quiet:
                print(  # noqa: T201
                    f"tracklog: no snapshot of the source is kept: {reason}. Name what does not belong to it in .amlignore, "
                    "or pass snapshot_directory=None.",
                    file=sys.stderr,
                )
        return run

    def submit(self, config: ScriptRunConfig, tags: Mapping[str, Any] | None = None, **kwargs: Any) -> ScriptRun:
        """Execute a script on this machine and return its run at once; `wait_for_completion` waits for its end.

        Args:
            config: which script, in which folder, with what.
            tags: labels of the run.
            show_output: wait for the end, and print what the script prints.

        Raises:
            ExperimentExecutionException: the script is not in its folder.
        """
        return self._submit(config, tags, None, **kwargs)

    def _submit(
        self, config: ScriptRunConfig, tags: Mapping[str, Any] | None, parent_id: str | None, show_output: bool = False, **_: Any
    ) -> ScriptRun:
        from tracklog.sdk import submitted

        run = submitted.submit(self, config, tags, parent_id)
        if show_output:
            run.wait_for_completion(show_output=True)
        return run

    def get_runs(
        self,
        type: str | None = None,  # noqa: A002  # v1's name
        tags: Any = None,
        properties: Any = None,
        include_children: bool = False,
    ) -> Iterator[Run]:
        """Yield the runs, newest first.

        Args:
            type: only of this type.
            tags: a name that must be there, or a dict of names and values.
            properties: the same for properties.
            include_children: child runs too.
        """
        from tracklog.sdk.run import Run

        return Run.list(self, type, tags, properties, None, include_children)

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name},\nWorkspace: {self.workspace.name})"
