"""The command line: `tracklog ls`, `show`, `ui` … Each command is a short reader or writer of a store.

What it promises: an expected error is one red line on stderr, exit code 1 (2 when the call itself is wrong), never a
traceback unless `--debug` asks for it; tables are cut to a terminal but never in a pipe; `--json` prints what the store
returned. Commands import what they need when they run, so that `tracklog --help` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from tracklog.errors import ConflictError, InvalidValueError, NotFoundError, TracklogError
from tracklog.records import RunStatus

if TYPE_CHECKING:
    from rich.console import Console

    from tracklog.settings import Settings
    from tracklog.storage import MetricSummary, RunInfo, RunQuery, SeriesBuckets, Store

_SHORT_ID_CHARS = 8
_KEY_COLUMNS = 3  # params and metrics that `ls` shows, each
_SPARK_CELLS = 40
_SPARKS = "▁▂▃▄▅▆▇█"
_FOLLOW_S = 0.5  # how often `logs -f` asks
_SLOW_S = 1.0  # a progress bar appears after this long
_LOG_PAGE = 5000
_GC_DAYS = 7.0  # a run removed by mistake can be brought back for a week


class _Commands(TyperGroup):
    """Turns an expected error into one line and an exit code, for every command."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TracklogError as error:
            if ctx.params.get("debug"):
                raise
            _complain(error.message)
            raise typer.Exit(2 if isinstance(error, InvalidValueError) else 1) from error


app = typer.Typer(
    name="tracklog",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Optional[...] and not `X | None`: typer evaluates these on Python 3.10, where both work, but aliases are evaluated here.
_Uri = Annotated[
    Optional[str],
    typer.Option(
        "--uri",
        "-w",
        metavar="WORKSPACE",
        help="Folder or http(s):// address. By default TRACKLOG_URI, the nearest .tracklog folder upward, ~/.tracklog.",
    ),
]
_Place = Annotated[
    Optional[str],
    typer.Argument(
        metavar="WORKSPACE", help="The workspace's folder. By default TRACKLOG_URI, the nearest .tracklog folder, ~/.tracklog."
    ),
]
_RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's id, the beginning of one, its name, or experiment/name.", show_default=False)
]
_Port = Annotated[Optional[int], typer.Option(min=0, max=65535, help="By default 7777, or the next one that is free.")]
_NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print the address.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON, everything the store knows.")]


def main() -> None:
    """Run the command line."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        from tracklog import __version__

        print(f"tracklog {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Track machine-learning runs: log from Python, watch live in the browser, lose nothing.

    Start with [bold]tracklog demo[/bold], or log a run of your own and look at it with [bold]tracklog ui[/bold].
    """


# ------------------------------------------------------------------------- serving


@app.command(rich_help_panel="Watch")
def ui(workspace: _Place = None, port: _Port = None, no_browser: _NoBrowser = False) -> None:
    """Open the portal of a workspace in the browser.

    Only this machine can reach it. Stop it with Ctrl-C; runs that are being recorded do not mind.

    \b
    Examples:
      tracklog ui
      tracklog ui ./experiments --port 8000 --no-browser
    """
    from tracklog.sdk.workspace import Workspace
    from tracklog.settings import is_remote
    from tracklog.storage import open_store

    where = Workspace(workspace)
    running = where.portal_url()
    if is_remote(where.uri) or (running is not None and port is None and _answers(running)):
        print(f"The portal of {where.uri} is at {running}", flush=True)
        _open_browser(str(running), no_browser)
        return

    def started(url: str) -> None:
        print(f"Portal of {where.uri}: {url}   (Ctrl-C stops it)", flush=True)
        _open_browser(url, no_browser)

    _serve(open_store(where.uri), "127.0.0.1", port, started)


@app.command(rich_help_panel="Watch")
def serve(
    workspace: _Place = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one of this machine.")] = "127.0.0.1",
    port: _Port = None,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Let everyone who reaches the address read and change runs.")] = False,
    database: Annotated[
        Optional[str],
        typer.Option(metavar="URL", help="Keep the catalog in PostgreSQL: postgresql://user:password@host/name."),
    ] = None,
) -> None:
    """Serve a workspace to other machines.

    Training scripts write to it with TRACKLOG_URI set to its address.

    \b
    Examples:
      tracklog serve /srv/tracklog
      tracklog serve /srv/tracklog --host 0.0.0.0 --no-auth
      tracklog serve /srv/tracklog --database postgresql://tracklog@db/tracklog
    """
    from tracklog.server.serve import is_loopback
    from tracklog.settings import Settings, is_remote
    from tracklog.storage.local import LocalStore

    if not is_loopback(host) and not no_auth:
        raise InvalidValueError(
            f"Not listening on {host}: there is no sign-in yet, so everyone who reaches this address could read, change and "
            "delete every run. If only people you trust can reach it, add --no-auth; else leave --host out and reach the "
            "server through `ssh -L`.",
            parameter="host",
            given=host,
        )
    uri = Settings.read(workspace).uri
    if is_remote(uri):
        raise InvalidValueError(
            f"Cannot serve {uri}: it is a server's address. Expected a folder: tracklog serve FOLDER.", parameter="workspace", given=uri
        )

    def started(url: str) -> None:
        print(f"tracklog serves {uri} at {url}   (Ctrl-C stops it)\nLog into it with: export TRACKLOG_URI={url}", flush=True)

    _serve(LocalStore(uri, database_url=database), host, port, started)


@app.command(rich_help_panel="Watch")
def demo(
    workspace: Annotated[
        Optional[Path], typer.Option("--workspace", "-w", metavar="DIR", help="Where to record; by default ~/.tracklog-demo.")
    ] = None,
    no_browser: _NoBrowser = False,
    port: _Port = None,
    once: Annotated[bool, typer.Option("--once", help="Train as fast as possible, without the portal, then exit.")] = False,
) -> None:
    """Train two small models for real and watch them live.

    A sweep of ridge regression over 20 alphas, then a network that learns digits for half a minute. The runs go into a
    workspace of their own, so yours stays clean.

    \b
    Examples:
      tracklog demo
      tracklog demo --no-browser --port 8000
    """
    from tracklog.demo import train_beside
    from tracklog.storage.local import LocalStore

    folder = (workspace or Path.home() / ".tracklog-demo").expanduser().absolute()
    start_training = train_beside(folder, fast=once)
    print(f"Recording into {folder}", flush=True)
    if once:
        with start_training(None) as training:
            raise typer.Exit(training.wait())
    with contextlib.ExitStack() as stack:

        def started(url: str) -> None:
            print(f"Portal: {url}   (Ctrl-C stops it)", flush=True)
            _open_browser(url, no_browser)
            stack.enter_context(start_training(url))

        _serve(LocalStore(folder), "127.0.0.1", port, started)


def _serve(store: Store, host: str, port: int | None, started: Callable[[str], None]) -> None:
    import signal

    from tracklog.server.serve import serve as run_server

    def end(*_: object) -> None:
        raise typer.Exit  # so that `finally` blocks run, which SIGTERM alone would not do

    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, end)
    try:
        run_server(store, host=host, port=port, on_started=started)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    finally:
        store.close()


def _open_browser(url: str, is_unwanted: bool) -> None:
    """Open the browser where there is a display; over ssh say how to reach the address."""
    if is_unwanted:
        return
    has_display = sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if connection and not has_display:
        from urllib.parse import urlsplit

        at = urlsplit(url).port
        here = connection[2] if len(connection) == 4 else "this-machine"
        print(f"To open it on your machine, run there: ssh -L {at}:127.0.0.1:{at} {here}", flush=True)
    elif has_display and not connection:
        import threading
        import webbrowser

        # Some browsers keep the caller waiting until they are closed.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _answers(url: str) -> bool:
    import urllib3

    try:
        answer = urllib3.request("GET", f"{url}/health", timeout=3.0, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == 200


# ------------------------------------------------------------------------- reading


@app.command(rich_help_panel="Read")
def ls(
    words: Annotated[
        Optional[list[str]], typer.Argument(metavar="TEXT", help="Words that must occur in name, id, experiment, status, a tag or param.")
    ] = None,
    experiment: Annotated[Optional[str], typer.Option("--experiment", "-e", help="Only of this experiment.")] = None,
    status: Annotated[Optional[list[RunStatus]], typer.Option("--status", "-s", case_sensitive=False, help="Only with this status; may be repeated.")] = None,
    order_by: Annotated[
        str, typer.Option(help="start, name, duration, metric:NAME, param:NAME, tag:NAME; a leading - turns it round.")
    ] = "-start",
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many runs; 0: all.")] = 20,
    as_json: _Json = False,
    uri: _Uri = None,
) -> None:
    """List runs, newest first.

    \b
    Examples:
      tracklog ls
      tracklog ls ridge --status failed
      tracklog ls -e sgd-digits --order-by=-metric:accuracy -n 5
    """
    from tracklog.storage import RunQuery

    with _opened(uri) as store:
        query = RunQuery(experiment=experiment, text=" ".join(words or []), status=status or None, order_by=order_by)
        found, total = _search(store, query, limit)
        if experiment is not None and not total and experiment not in (known := [one.name for one in store.experiments()]):
            from tracklog.errors import unknown

            raise unknown("experiment", experiment, known)
        if as_json:
            _print_json(found)
            return
        if not total:
            if words or status or experiment:
                print("No run matches. Leave out a word or an option; `tracklog ls` lists all.")
            else:
                print(f"No runs in {store.uri} yet. Record some with tracklog.start_run() in a script, or try: tracklog demo")
            return
        _console().print(_run_table(found, order_by))
        if total > len(found):
            print(f"{len(found)} of {total} runs; -n 0 lists all.")


@app.command(rich_help_panel="Read")
def show(run: _RunName, as_json: _Json = False, uri: _Uri = None) -> None:
    """Show all about a run, each metric with a small picture of its course.

    \b
    Examples:
      tracklog show 3f2a
      tracklog show diabetes-ridge/run-3
    """
    from tracklog.storage import SeriesQuery

    with _opened(uri) as store:
        info = store.get_run(_find(store, run).id)
        files = store.artifacts(info.id)
        if as_json:
            _print_json({"run": info, "artifacts": files})
            return
        series = store.series(SeriesQuery(run_ids=[info.id], buckets=_SPARK_CELLS))
    sparks = {(one.name, one.column): _sparkline(one) for one in series}
    console = _console()
    console.print(_facts(_head(info)))
    for title, values in (("Params", info.params), ("Tags", info.tags), ("Properties", info.properties)):
        if values:
            console.print(f"\n[bold]{title}[/bold]")
            console.print(_facts([(name, _plain(str(value))) for name, value in sorted(values.items())]))
    if info.metrics:
        console.print("\n[bold]Metrics[/bold]")
        console.print(_metric_table(info.metrics, sparks))
    if files:
        console.print("\n[bold]Files[/bold]")
        console.print(_facts([(_size(one.size_bytes), one.path) for one in files], justify="right"))
    if info.error is not None:
        from rich.text import Text

        console.print(f"\n[bold red]{info.status.value}[/bold red]")
        console.print(Text(info.error.traceback or f"{info.error.code}: {info.error.message}"))


@app.command(rich_help_panel="Read")
def logs(
    run: _RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    lines: Annotated[Optional[int], typer.Option("--lines", "-n", min=0, help="Only the last so many lines.")] = None,
    stream: Annotated[Optional[str], typer.Option(help="Only this stream: stdout, stderr or logging.")] = None,
    grep: Annotated[Optional[str], typer.Option(metavar="REGEX", help="Only lines in which this occurs.")] = None,
    uri: _Uri = None,
) -> None:
    """Print the console output of a run.

    \b
    Examples:
      tracklog logs 3f2a -n 50
      tracklog logs sgd-digits/run-1 -f --grep loss
    """
    import re
    from collections import deque

    if stream not in (None, "stdout", "stderr", "logging"):
        raise InvalidValueError(f"Unknown stream `{stream}`. Expected stdout, stderr or logging.", parameter="stream", given=stream)
    try:
        pattern = re.compile(grep or "")
    except re.error as error:
        raise InvalidValueError(f"Cannot search for {grep!r}: {error}.", parameter="grep", given=grep) from error

    def read(first: int) -> tuple[list[str], int]:
        page = store.log_lines(run_id, first, _LOG_PAGE)
        chosen = [
            f"{one.logger}: {one.text}" if one.stream == "logging" and one.logger else one.text
            for one in page.lines
            if (stream is None or one.stream == stream) and pattern.search(one.text)
        ]
        return chosen, page.first_line + len(page.lines)

    with _opened(uri) as store, contextlib.suppress(KeyboardInterrupt):
        run_id = _find(store, run).id
        position = 0
        if lines is not None:
            if stream is None and grep is None:
                position = max(0, store.log_lines(run_id, 0, 1).total_lines - lines)
            kept: deque[str] = deque(maxlen=lines)
            while True:
                chosen, end = read(position)
                kept.extend(chosen)
                if end == position:
                    break
                position = end
            _print_lines(kept)
        while True:
            # Asked before the lines are read: what a run printed before it ended is then not missed.
            is_over = not follow or store.get_run(run_id).status.is_final()
            chosen, end = read(position)
            _print_lines(chosen)
            if end == position:
                if is_over:
                    return
                time.sleep(_FOLLOW_S)
            position = end


def _print_lines(lines: Sequence[str] | Any) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


# ------------------------------------------------------------------- finding a run


def _opened(uri: str | None, *, create: bool = False) -> contextlib.closing[Store]:
    from tracklog.settings import Settings
    from tracklog.storage import open_store

    return contextlib.closing(open_store(Settings.read(uri).uri, create=create))


def _search(store: Store, query: RunQuery, limit: int) -> tuple[list[RunInfo], int]:
    """Return at most `limit` runs (0: all) and how many there are."""
    import msgspec

    from tracklog.storage import MAX_PAGE

    found: list[RunInfo] = []
    token: str | None = None
    while True:
        size = MAX_PAGE if limit == 0 else min(MAX_PAGE, limit - len(found))
        page = store.search_runs(msgspec.structs.replace(query, limit=size, page_token=token))
        found.extend(page.runs)
        token = page.next_page_token
        if token is None or (limit and len(found) >= limit):
            return found, page.total


def _find(store: Store, given: str, *, deleted: bool = False) -> RunInfo:
    """Return the run that a user means: by id, name, experiment/name, or the beginning of its id.

    Raises:
        NotFoundError: none; the message names near ones.
        InvalidValueError: several; the message lists them.
    """
    from tracklog.storage import RunQuery

    with contextlib.suppress(NotFoundError):
        return store.get_run(given)
    # Every run that can be meant has these words somewhere.
    text = given.replace("/", " ")
    candidates, _ = _search(store, RunQuery(text=text), 5000)
    if deleted:
        candidates += _search(store, RunQuery(text=text, deleted=True), 5000)[0]
    for matches in (
        [one for one in candidates if given in (one.name, f"{one.experiment}/{one.name}")],
        [one for one in candidates if given and one.id.startswith(given)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            listed = ", ".join(f"{one.id} ({one.experiment}/{one.name}, {_ago(one.start_ms)})" for one in matches[:5])
            more = f" and {len(matches) - 5} more" if len(matches) > 5 else ""
            raise InvalidValueError(
                f"`{given}` means {len(matches)} runs: {listed}{more}. Give more of the id, or experiment/name.",
                parameter="run",
                given=given,
            )
    import difflib

    recent, _ = _search(store, RunQuery(), 1000)
    known = {name: one for one in reversed(recent) for name in (one.id, one.name, f"{one.experiment}/{one.name}")}
    near = difflib.get_close_matches(given, known, n=3)
    hint = f"Did you mean {' or '.join(f'`{name}`' for name in near)}? " if near else ""
    raise NotFoundError(f"Unknown run `{given}` in {store.uri}. {hint}`tracklog ls` lists runs.", what="run", given=given)


# ------------------------------------------------------------------------- drawing


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # In a pipe nothing may be cut: whoever reads it has no width.
    return Console(stderr=stderr, highlight=False, soft_wrap=False, width=None if stream.isatty() else 10_000)


def _complain(message: str) -> None:
    from rich.text import Text

    # Errors may be long; soft_wrap leaves breaking them to the terminal, so that they can be copied.
    _console(stderr=True).print(Text(f"Error: {message}", style="red"), soft_wrap=True)


def _print_json(value: Any) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _run_table(runs: Sequence[RunInfo], order_by: str) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    ids = _short_ids([one.id for one in runs])
    table.add_column("id", no_wrap=True)
    for name in ("experiment", "name", "status", "started"):
        table.add_column(name, no_wrap=name != "name")
    table.add_column("duration", justify="right", no_wrap=True)
    kind, _, wanted = order_by.lstrip("-").partition(":")
    columns: list[list[str]] = []
    for param in _key_params(runs, wanted if kind == "param" else ""):
        table.add_column(Text(param), justify="right", no_wrap=True)
        columns.append(_aligned([_number(one.params[param]) if param in one.params else "" for one in runs]))
    for metric in _key_metrics(runs, wanted if kind == "metric" else ""):
        table.add_column(Text(metric), justify="right", no_wrap=True)
        last = [next((m for m in one.metrics if m.name == metric), None) for one in runs]
        columns.append(_aligned(["" if one is None else _last(one) for one in last]))
    for number, one in enumerate(runs):
        table.add_row(
            Text(ids[number], style="cyan"),
            Text(one.experiment),
            Text(one.name),
            _status(one.status),
            _ago(one.start_ms),
            _duration(_spent_ms(one)),
            *(Text(cells[number]) for cells in columns),
        )
    return table


def _key_params(runs: Sequence[RunInfo], wanted: str) -> list[str]:
    """Return the params that tell the runs apart: those with several values, the most common first."""
    values: dict[str, list[str]] = {}
    for one in runs:
        for name, value in one.params.items():
            values.setdefault(name, []).append(repr(value))
    ranked = sorted(values, key=lambda name: (name != wanted, len(set(values[name])) < 2, -len(values[name])))
    return ranked[:_KEY_COLUMNS]


def _key_metrics(runs: Sequence[RunInfo], wanted: str) -> list[str]:
    from collections import Counter

    from tracklog.records import DType, MetricKind

    counts: Counter[str] = Counter()
    for one in runs:
        counts.update(
            metric.name
            for metric in one.metrics
            if metric.kind is MetricKind.SCALAR and metric.dtype is not DType.TEXT and not metric.name.startswith("system/")
        )
    if wanted:
        counts[wanted] = len(runs) + 1
    return [name for name, _ in counts.most_common(_KEY_COLUMNS)]


def _metric_table(metrics: Sequence[MetricSummary], sparks: dict[tuple[str, str], str]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    ordered = sorted(metrics, key=lambda one: one.name.startswith("system/"))
    table.add_column("name")
    table.add_column("course", no_wrap=True, min_width=_SPARK_CELLS if sparks else None)
    for name in ("last", "min", "max", "points"):
        table.add_column(name, justify="right", no_wrap=True)
    last = _aligned([_last(one) for one in ordered])
    least = _aligned(["" if one.min is None else _number(one.min) for one in ordered])
    most = _aligned(["" if one.max is None else _number(one.max) for one in ordered])
    for number, one in enumerate(ordered):
        label = f"{one.name} · {one.column}" if one.column else one.name
        spark = Text(sparks.get((one.name, one.column), ""), style="cyan")
        table.add_row(Text(label), spark, Text(last[number]), Text(least[number]), Text(most[number]), f"{one.count:,}")
    return table


def _sparkline(series: SeriesBuckets) -> str:
    """Return the course of a series as one line: the last value of each bucket, over steps."""
    import math

    values = series.last.tolist()
    finite = [value for value in values if math.isfinite(value)]
    low = min(finite, default=0.0)
    # Halved before subtracting: the span of two finite doubles may be infinite.
    half_span = max(finite, default=0.0) / 2 - low / 2
    line = ""
    for value in values:
        if not math.isfinite(value):
            line += "·" if math.isnan(value) else "∞"
        elif half_span <= 0:
            line += _SPARKS[3]
        else:
            line += _SPARKS[round((value / 2 - low / 2) / half_span * (len(_SPARKS) - 1))]
    return line


def _head(info: RunInfo) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        ("Run", info.name),
        ("Id", info.id),
        ("Experiment", f"{info.experiment} (#{info.number})"),
        ("Status", _status(info.status)),
        ("Started", f"{_clock(info.start_ms)} ({_ago(info.start_ms)})"),
        ("Duration", _duration(_spent_ms(info))),
        ("User", info.user),
        ("Parent", info.parent_id or ""),
        ("Children", str(info.children or "")),
        ("Description", info.description),
        ("Deleted", "yes; `tracklog rm --restore` brings it back" if info.deleted else ""),
    ]
    for topic in ("command", "git", "host"):
        rows.append((topic.capitalize(), _topic(info.info.get(topic))))
    return [(name, value) for name, value in rows if value]


def _topic(value: Any) -> str:
    """Return captured circumstances in a line; long parts such as a diff are left to the portal and --json."""
    if not isinstance(value, dict):
        return _plain(str(value)) if value else ""
    parts = [f"{name} {part}" for name, part in value.items() if isinstance(part, (str, int, float)) and len(str(part)) <= 120]
    return " · ".join(parts)


def _facts(rows: Sequence[tuple[str, Any]], *, justify: Any = "left") -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", justify=justify, no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value) if isinstance(value, str) else value)
    return table


def _status(status: RunStatus) -> Any:
    from rich.text import Text

    colours = {
        RunStatus.COMPLETED: "green",
        RunStatus.FAILED: "red",
        RunStatus.CANCELED: "dim",
        RunStatus.NOT_RESPONDING: "yellow",
        RunStatus.RUNNING: "cyan",
    }
    return Text(status.value, style=colours.get(status, ""))


def _short_ids(ids: Sequence[str]) -> list[str]:
    """Cut ids as far as they stay different: chosen ones often begin alike."""
    length = _SHORT_ID_CHARS
    while len({one[:length] for one in ids}) < len(set(ids)):
        length += 1
    return [one[:length] for one in ids]


def _number(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else _plain(str(value))


def _last(metric: MetricSummary) -> str:
    from tracklog.records import DType

    if metric.dtype is DType.FLOAT and metric.last is not None:
        return _number(metric.last)
    return _plain(metric.last_text)


def _aligned(cells: Sequence[str]) -> list[str]:
    """Pad numbers on the right, so that right-justified their decimal points stand below each other."""

    def decimals(cell: str) -> int:
        whole, point, fraction = cell.partition(".")
        return len(point + fraction) if whole.lstrip("-").isdigit() and (fraction.isdigit() or not point) else -1

    widest = max((decimals(cell) for cell in cells), default=0)
    return [cell + " " * (widest - decimals(cell)) if decimals(cell) >= 0 else cell for cell in cells]


def _plain(text: str) -> str:
    """Return a text as one short line."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _spent_ms(info: RunInfo) -> int:
    if info.end_ms is not None:
        return info.end_ms - info.start_ms
    return (info.heartbeat_ms if info.status is RunStatus.NOT_RESPONDING else _now_ms()) - info.start_ms


def _clock(time_ms: int) -> str:
    from datetime import datetime, timezone

    return datetime.fromtimestamp(time_ms / 1000, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _ago(time_ms: int) -> str:
    seconds = max(0, _now_ms() - time_ms) // 1000
    for size_s, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size_s:
            return _clock(time_ms)[:10] if seconds >= 30 * 86_400 else f"{seconds // size_s} {word} ago"
    return f"{seconds} s ago"


def _duration(spent_ms: int) -> str:
    seconds = max(0, spent_ms) / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    return f"{minutes} min {int(seconds % 60):02} s" if hours == 0 else f"{hours} h {minutes % 60:02} min"


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@contextlib.contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function (done, total) that draws a bar on the terminal once the work has taken over a second."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = _console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task(label, total=None)
    began = time.monotonic()

    def advance(done: int, total: int) -> None:
        if not progress.live.is_started and time.monotonic() - began > _SLOW_S:
            progress.start()
        progress.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        progress.stop()


# ---------------------------------------------------------------------- taking along
