"""An experiment: a named group of runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tracklog.sdk.values import metric_name

if TYPE_CHECKING:
    from tracklog.sdk.run import Run
    from tracklog.sdk.workspace import Workspace


class Experiment:
    """A named group of runs. It exists from its first run on."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.workspace = workspace
        self.name = metric_name(name, what="experiment")

    def start_logging(
        self,
        *,
        display_name: str | None = None,
        description: str = "",
        tags: dict[str, Any] | None = None,
        **options: Any,
    ) -> Run:
        """Start an interactive run; end it with `complete()` or use it in a `with` block."""
        from tracklog.sdk.run import Run

        return Run.start(self, name=display_name, description=description, tags=tags, **options)

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
