"""An experiment: a named group of runs."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tracklog.errors import InvalidTypeError, InvalidValueError, NotFoundError, UserErrorException, shown, unknown
from tracklog.sdk.recorder import flush_living
from tracklog.sdk.values import metric_name
from tracklog.settings import USUAL_PORTAL
from tracklog.storage import ExperimentEdit, ExperimentInfo

if TYPE_CHECKING:
    from tracklog.sdk.configuration import ScriptRunConfig
    from tracklog.sdk.run import Run
    from tracklog.sdk.submitted import ScriptRun
    from tracklog.sdk.workspace import Workspace

DOCS_URL = "https://tracklog.readthedocs.io/"


def link(url: str, text: str) -> str:
    """Return a link as HTML."""
    return f'<a href="{escape(url)}" target="_blank" rel="noopener">{escape(text)}</a>'


def html_table(cells: Mapping[str, str]) -> str:
    """Return a table of one row for notebooks: HTML by heading."""
    head = "".join(f"<th>{escape(name)}</th>" for name in cells)
    return f'<table style="width:100%"><tr>{head}</tr><tr>{"".join(f"<td>{cell}</td>" for cell in cells.values())}</tr></table>'


class ViewType:
    """Which experiments a list has."""

    ActiveOnly = "ActiveOnly"
    All = "All"
    ArchivedOnly = "ArchivedOnly"


class Experiment:
    """A named group of runs. It exists from its first run, tag or archiving on."""

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        _skip_name_validation: bool = False,
        _id: str | None = None,
        _archived_time: Any = None,
        _create_in_cloud: bool = True,
        _experiment_dto: Any = None,
        **kwargs: Any,
    ) -> None:
        """Take the experiment of a name, any text; nothing is asked of the store. The other parameters are v1's own."""
        self._workspace = workspace
        self._name = metric_name(name, what="experiment")

    @property
    def name(self) -> str:
        """What it is called."""
        return self._name

    @property
    def workspace(self) -> Workspace:
        """Where it is."""
        return self._workspace

    @property
    def workspace_object(self) -> Workspace:
        """Where it is: the older name of `workspace`."""
        return self._workspace

    @property
    def id(self) -> str:
        """Its number in the workspace, as text."""
        return self._edit(ExperimentEdit()).id

    @property
    def archived_time(self) -> datetime | None:
        """When it was archived, UTC; None while it is active."""
        archived_ms = self._info().archived_ms
        return None if archived_ms is None else datetime.fromtimestamp(archived_ms / 1000, timezone.utc)

    @property
    def tags(self) -> dict[str, str | None]:
        """Its labels: a copy, None for one without a value. `tag`, `set_tags` and `remove_tags` change them."""
        return {key: value or None for key, value in self._info().tags.items()}

    def tag(self, key: str, value: Any = None) -> None:
        """Add or change one label, with or without a value."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Add or change labels. Values become text; None stays."""
        if not isinstance(tags, Mapping):
            raise InvalidTypeError(
                f"Cannot use {shown(tags)} as tags. Expected a dict of names and values.", parameter="tags", given=tags
            )
        named = {metric_name(key, what="tag"): "" if value is None else str(value) for key, value in tags.items()}
        self._edit(ExperimentEdit(tags=dict(named)))

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Remove labels."""
        self._edit(ExperimentEdit(tags=dict.fromkeys(tags)))

    def archive(self) -> None:
        """Take the experiment out of lists. Nothing is removed; a new run in it makes it active again."""
        self._edit(ExperimentEdit(archived=True))

    def reactivate(self, new_name: str | None = None) -> None:
        """Bring an archived experiment back.

        Raises:
            UserErrorException: a new name is given, which v1 refuses, too.
        """
        if new_name is not None:
            raise UserErrorException(
                f"Cannot rename {self.name!r} to {new_name!r}: an experiment keeps its name. Call reactivate() without a name."
            )
        self._edit(ExperimentEdit(archived=False))

    def refresh(self) -> None:
        """Do nothing: what is asked of an experiment is read anew each time."""

    def _info(self) -> ExperimentInfo:
        flush_living(self._workspace.uri)
        try:
            return self._workspace.store.experiment(self.name)
        except NotFoundError:  # it is made by its first run
            return ExperimentInfo(self.name, 0, 0, 0)

    def _edit(self, edit: ExperimentEdit) -> ExperimentInfo:
        return self._workspace.store.edit_experiment(self.name, edit)

    @staticmethod
    def delete(workspace: Workspace, experiment_id: str) -> None:
        """Remove an experiment that has no runs, by its id.

        Raises:
            NotFoundError: there is none of that id.
            ConflictError: it has runs.
        """
        found = [one for one in workspace.store.experiments() if experiment_id in (one.id, one.name)]
        if not found:
            raise unknown("experiment", str(experiment_id), (one.id for one in workspace.store.experiments()))
        workspace.store.delete_experiment(found[0].name)

    @staticmethod
    def from_directory(path: str | os.PathLike[str], auth: Any = None) -> Experiment:
        """Return the experiment called like a folder, in the workspace that the configuration in it names."""
        from tracklog.sdk.workspace import Workspace

        return Experiment(Workspace.from_config(path, auth), Path(path).absolute().name or "default")

    @classmethod
    def get_docs_url(cls) -> str:
        """Return where the documentation of this class is."""
        return DOCS_URL

    @property
    def portal_url(self) -> str:
        """The experiment's page; see `get_portal_url`."""
        return self.get_portal_url()

    def get_portal_url(self) -> str:
        """Return the address of its page. Where no portal runs for the workspace: the one `tracklog ui` gives it."""
        return f"{self._workspace.portal_url() or USUAL_PORTAL}/experiments/{quote(self.name, safe='')}"

    def _repr_html_(self) -> str:
        """Return the experiment as a table for notebooks."""
        cells = {
            "Name": escape(self.name),
            "Workspace": escape(self._workspace.name),
            "Report Page": link(self.get_portal_url(), "Link to the portal"),
            "Docs Page": link(DOCS_URL, "Link to the documentation"),
        }
        return html_table(cells)

    @staticmethod
    def list(
        workspace: Workspace,
        experiment_name: str | None = None,
        view_type: str = ViewType.ActiveOnly,
        tags: Any = None,
    ) -> builtins.list[Experiment]:
        """Return experiments, the one with the latest run first.

        Args:
            experiment_name: only the one of this name.
            view_type: "ActiveOnly", "ArchivedOnly" or "All".
            tags: a name that must be there, or a dict of names and values.
        """
        if view_type not in (ViewType.ActiveOnly, ViewType.All, ViewType.ArchivedOnly):
            raise InvalidValueError(
                f"Unknown view_type {shown(view_type)}. Expected 'ActiveOnly', 'ArchivedOnly' or 'All'.",
                parameter="view_type",
                given=view_type,
            )
        flush_living(workspace.uri)
        wanted: Mapping[str, Any] = {tags: None} if isinstance(tags, str) else tags or {}
        return [
            Experiment(workspace, info.name)
            for info in workspace.store.experiments()
            if experiment_name in (None, info.name)
            and (view_type == ViewType.All or (info.archived_ms is None) == (view_type == ViewType.ActiveOnly))
            and all(key in info.tags and (value is None or info.tags[key] == str(value)) for key, value in wanted.items())
        ]

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
        run = Run.begin(
            self, name=display_name or name, run_id=run_id, description=description or "", tags=tags, is_v1=True, **options
        )
        try:
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
                run.collect(folder.name, folder.absolute())
        except OSError as error:  # a working folder that cannot be written; the script may not need it
            if not self.workspace.settings.quiet:
                print(f"tracklog: no outputs are kept: {error}.", file=sys.stderr)  # noqa: T201
        if snapshot_directory is not None:
            snapshot.take(run, Path(snapshot_directory))
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
