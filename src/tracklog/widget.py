"""A run in a notebook."""

from __future__ import annotations

import sys
from html import escape
from typing import Any

from tracklog.errors import TracklogError
from tracklog.sdk.run import Run


class RunDetails:
    """Shows a run where a notebook can show it, and says where to look elsewhere."""

    def __init__(self, run_instance: Run) -> None:
        self._run = run_instance

    def show(self, render_lib: Any = None, widget_settings: Any = None) -> None:
        """Show status, last values and the run's page. Outside of a notebook print one line. Never raises."""
        run = self._run
        try:
            shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
            if shell is not None and shell.has_trait("kernel"):
                from IPython.display import HTML, display

                display(HTML(self._html()))
                return
            where = run.get_portal_url() or f"run `tracklog ui {run.experiment.workspace.uri}` to watch it"
            print(f"tracklog: {run.experiment.name} · {run.id} · {run.get_status()} → {where}")  # noqa: T201  # asked for
        except Exception as error:  # v1's widget broke many notebooks; a picture is not worth a cell  # noqa: BLE001
            print(f"tracklog: run {run.id} cannot be shown: {error}", file=sys.stderr)  # noqa: T201

    def get_widget_data(self, widget_settings: Any = None) -> dict[str, Any]:
        """Return what `show` draws: status, the run's facts, its metrics, its page."""
        run = self._run
        return {
            "status": run.get_status(),
            "run_id": run.id,
            "run_properties": run.get_details(),
            "run_metrics": run.get_metrics(),
            "workbench_run_details_uri": run.get_portal_url(),
        }

    def _html(self) -> str:
        rows = ""
        try:
            metrics = [metric for metric in self._run.info.metrics if not metric.name.startswith("system/")]
            for metric in metrics[:50]:
                label = f"{metric.name}.{metric.column}" if metric.column else metric.name
                rows += (
                    f"<tr><td>{escape(label)}</td><td style='text-align:right'>{escape(metric.last_text[:60])}</td>"
                    f"<td style='text-align:right'>{metric.count:,}</td></tr>"
                )
        except TracklogError as error:  # the store is away: the run's own facts are shown all the same
            rows = f"<tr><td colspan='3'>{escape(str(error))}</td></tr>"
        head = "<tr><th>Metric</th><th>Last</th><th>Points</th></tr>"
        table = f"<table>{head}{rows}</table>" if rows else "<p>No metrics so far.</p>"
        return self._run._repr_html_() + table  # the notebook's own form of a run
