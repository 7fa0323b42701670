"""The command line: `tracklog ls`, `show`, `ui` … Each command is a short reader or writer of a store.

What it promises: an expected error is one red line on stderr, exit code 1 (2 when the call itself is wrong), never a
traceback unless `--debug` asks for it; tables are cut to a terminal but never in a pipe; `--json` prints what the store
returned. Commands import what they need when they run, so that `tracklog --help` answers at once.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from typer.core import TyperGroup

from tracklog.errors import ConflictError, InvalidValueError, NotFoundError, TracklogError
from tracklog.records import RunStatus

if TYPE_CHECKING:
    from rich.console import Console

    from tracklog.exchange import Report
    from tracklog.settings import Settings
    from tracklog.storage import ArtifactInfo, LogQuery, MetricSummary, RunInfo, RunQuery, SeriesBuckets, Store

_SHORT_ID_CHARS = 8
# How many params and metrics `ls` shows: the first pair that fits.
_KEY_COLUMNS = ((3, 3), (2, 3), (1, 3), (1, 2), (1, 1), (0, 1))
_SPARK_CELLS = 40
_TEXT_CHARS = 60  # a text value in a list of facts …
_LABEL_CHARS = 30  # … and the name of a metric
_MIN_SPARK_CELLS = 10
_UNBOUNDED = 10_000  # columns: wider than any table
_SHOWN_FILES = 20
_SHOWN_PROBLEMS = 50
_WIDE = 500  # characters of a reason
_SPARKS = "▁▂▃▄▅▆▇█"
_FOLLOW_S = 0.5  # how often `logs -f` asks
_SLOW_S = 1.0  # a progress bar appears after this long
_LOG_PAGE = 5000
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}  # Python's
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


_Uri = Annotated[
    str | None,
    typer.Option(
        "--uri",
        "-w",
        metavar="WORKSPACE",
        help="Folder or http(s):// address. By default TRACKLOG_URI, the nearest .tracklog folder upward, ~/.tracklog.",
    ),
]
_Place = Annotated[
    str | None,
    typer.Argument(
        metavar="WORKSPACE",
        help="The workspace's folder. By default TRACKLOG_URI, the nearest .tracklog folder, ~/.tracklog.",
    ),
]
_RunName = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run's id, the beginning of one, its name, or experiment/name.", show_default=False),
]
_Port = Annotated[int | None, typer.Option(min=0, max=65535, help="By default 7777, or the next one that is free.")]
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


@app.command(rich_help_panel="Run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="A Python file, or a command on PATH.", show_default=False)],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGS]...", help="Handed to the script as they are.", show_default=False)
    ] = None,
    experiment: Annotated[
        str | None, typer.Option("--experiment", "-e", metavar="NAME", help="By default the name of this folder.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", "-n", metavar="NAME", help="What people call the run.")] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", metavar="KEY=VALUE", help="A label; may be repeated.")] = None,
    uri: _Uri = None,
) -> None:
    """Run a script and record it: what it prints, what it logs, what it leaves in outputs/ and logs/.

    The script runs here, in this folder. `from azureml.core import Run` works in it without any package installed, and
    Run.get_context() is its run. The exit code is the script's; Ctrl-C ends the script, and the run as Canceled.

    \b
    Examples:
      tracklog run train.py --alpha 0.5
      tracklog run -e ridge -t data=v2 train.py
      tracklog run torchrun --nproc-per-node 2 train.py
    """
    from tracklog.sdk.submitted import execute, prepare

    labels = {}
    for one in tag or []:
        key, equals, value = one.partition("=")
        if not key:
            raise InvalidValueError(f"Cannot use {one!r} as a tag. Expected KEY=VALUE.", parameter="tag", given=one)
        labels[key] = value if equals else ""
    execution = prepare([script, *(arguments or [])], experiment=experiment, name=name, tags=labels, uri=uri)
    raise typer.Exit(execute(execution, pass_through=True))


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
        print(f"MLflow clients log into it with: export MLFLOW_TRACKING_URI={url}", flush=True)
        _open_browser(url, no_browser)

    _serve(open_store(where.uri), "127.0.0.1", port, started)


@app.command(rich_help_panel="Watch")
def serve(
    workspace: _Place = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one of this machine.")] = "127.0.0.1",
    port: _Port = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Let everyone who reaches the address read and change runs.")
    ] = False,
    database: Annotated[
        str | None,
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
            f"Not listening on {host}: there is no sign-in yet, so everyone who reaches this address could read, "
            "change and delete every run. If only people you trust can reach it, add --no-auth; "
            "else leave --host out and reach the server through `ssh -L`.",
            parameter="host",
            given=host,
        )
    uri = Settings.read(workspace).uri
    if is_remote(uri):
        raise InvalidValueError(
            f"Cannot serve {uri}: it is a server's address. Expected a folder: tracklog serve FOLDER.",
            parameter="workspace",
            given=uri,
        )

    def started(url: str) -> None:
        print(
            f"tracklog serves {uri} at {url}   (Ctrl-C stops it)\nLog into it with: export TRACKLOG_URI={url}\n"
            f"MLflow clients log into it with: export MLFLOW_TRACKING_URI={url}",
            flush=True,
        )

    _serve(LocalStore(uri, database_url=database), host, port, started)


@app.command(rich_help_panel="Watch")
def demo(
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", metavar="DIR", help="Where to record; by default ~/.tracklog-demo."),
    ] = None,
    no_browser: _NoBrowser = False,
    port: _Port = None,
    once: Annotated[
        bool, typer.Option("--once", help="Train or write as fast as possible, without the portal, then exit.")
    ] = False,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            "--scale",
            "-s",
            metavar="SIZE",
            help="Write a large workspace of seeded data instead of training: RUNSxMETRICSxPOINTS such as 50x10x2000, runs=10k, "
            "points=1M or names=1000. May be repeated. By default into ~/.tracklog-demo-scale.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train two small models for real and watch them live; or see how the portal feels at a size of your choice.

    A sweep of ridge regression over 20 alphas, then a network that learns digits for half a minute. The runs go into a
    workspace of their own, so yours stays clean.

    With --scale nothing is trained: seeded runs are written, the same each time, and a few of them go on while the portal
    is open. 100,000 runs take about two minutes and 0.5 GB.

    \b
    Examples:
      tracklog demo
      tracklog demo --no-browser --port 8000
      tracklog demo --scale 50x10x2000 --scale runs=10k
    """
    from tracklog.demo import train_beside
    from tracklog.storage.local import LocalStore

    if scale:
        _demo_at_scale(workspace or Path.home() / ".tracklog-demo-scale", scale, once, port, no_browser)
        return
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


def _demo_at_scale(workspace: Path, scale: Sequence[str], once: bool, port: int | None, no_browser: bool) -> None:
    from tracklog.scale import Beat, parse_size, write
    from tracklog.storage.local import LocalStore

    sizes = [parse_size(text) for text in scale]  # before anything is written
    folder = workspace.expanduser().absolute()
    print(f"Writing into {folder}", flush=True)
    store = LocalStore(folder)
    running: list[str] = []
    try:
        for text, size in zip(scale, sizes, strict=True):
            began = time.monotonic()
            with _progress(text) as advance:
                running += write(store, size, now_ms=time.time_ns() // 1_000_000, advance=advance)
            print(f"  {text}: {time.monotonic() - began:.1f} s", flush=True)
        store.maintain()
    except BaseException:
        store.close()
        raise
    if once:
        store.close()
        return
    beat = Beat(LocalStore(folder), running, lambda: time.time_ns() // 1_000_000)

    def started(url: str) -> None:
        print(f"Portal: {url}   (Ctrl-C stops it)", flush=True)
        _open_browser(url, no_browser)
        beat.start()

    try:
        _serve(store, "127.0.0.1", port, started)
    finally:
        beat.stop()


def _serve(store: Store, host: str, port: int | None, started: Callable[[str], None]) -> None:
    import signal

    from tracklog.server.serve import serve as run_server
    from tracklog.settings import Settings

    def end(*_: object) -> None:
        raise typer.Exit  # so that `finally` blocks run, which SIGTERM alone would not do

    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, end)
    try:
        embed_origins = Settings.read(store.uri).embed_origins
        run_server(store, host=host, port=port, on_started=started, embed_origins=embed_origins)
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
        list[str] | None,
        typer.Argument(metavar="TEXT", help="Words that must occur in name, id, experiment, status, a tag or param."),
    ] = None,
    experiment: Annotated[str | None, typer.Option("--experiment", "-e", help="Only of this experiment.")] = None,
    status: Annotated[
        list[RunStatus] | None,
        typer.Option("--status", "-s", case_sensitive=False, help="Only with this status; may be repeated."),
    ] = None,
    condition: Annotated[
        str,
        typer.Option(
            "--filter", "-f", metavar="CONDITION", help="Such as: metrics.loss < 0.1 and params.model = 'resnet'. See docs."
        ),
    ] = "",
    order_by: Annotated[
        list[str] | None,
        typer.Option(
            help="start, end, name, duration, metric:NAME, metric.min:NAME, param:NAME, tag:NAME …; a leading - turns it "
            "round; may be repeated, the first weighs most.",
            show_default="newest first",
        ),
    ] = None,
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
      tracklog ls --filter "min(metrics.loss) < 0.1 and start > '-7d'"
    """
    from tracklog.storage import RunQuery

    with _opened(uri) as store:
        query = RunQuery(
            experiment=experiment,
            text=" ".join(words or []),
            status=status or None,
            filter=condition,
            order_by=order_by or "-start",
        )
        found, total = _search(store, query, limit)
        if experiment is not None and not total and experiment not in (known := [one.name for one in store.experiments()]):
            from tracklog.errors import unknown

            raise unknown("experiment", experiment, known)
        if as_json:
            _print_json(found)
            return
        if not total:
            if words or status or experiment or condition.strip():
                print("No run matches. Leave out a word or an option; `tracklog ls` lists all.")
            else:
                print(f"No runs in {store.uri} yet. Record some with tracklog.start_run() in a script, or try: tracklog demo")
            return
        console = _console()
        # A narrow terminal shows fewer columns, not cut ones.
        first_order = order_by[0] if order_by else "-start"
        tables = (_run_table(found, first_order, params, metrics) for params, metrics in _KEY_COLUMNS)
        unbounded = console.options.update(max_width=_UNBOUNDED)
        fitting = (table for table in tables if console.measure(table, options=unbounded).maximum <= console.width)
        console.print(next(fitting, _run_table(found, first_order, 0, 0)))
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
        _print_labels(console, title, values)
    if info.metrics:
        console.print("\n[bold]Metrics[/bold]")
        console.print(_metric_table(info.metrics, sparks, console.width))
    _print_files(console, files)
    if info.error is not None:
        from rich.text import Text

        console.print(f"\n[bold red]{info.status.value}[/bold red]")
        console.print(Text(info.error.traceback or f"{info.error.code}: {info.error.message}"))


@app.command(rich_help_panel="Read")
def logs(
    run: _RunName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends.")] = False,
    lines: Annotated[int | None, typer.Option("--lines", "-n", min=0, help="Only the last so many lines.")] = None,
    stream: Annotated[str | None, typer.Option(help="Only this stream: stdout, stderr or logging.")] = None,
    rank: Annotated[int | None, typer.Option(min=0, help="Only the process of this rank.")] = None,
    level: Annotated[str | None, typer.Option(help="Only of this level and above: debug, info, warning or error.")] = None,
    search: Annotated[str | None, typer.Option(metavar="WORDS", help="Only lines with all of these words, in any case.")] = None,
    grep: Annotated[str | None, typer.Option(metavar="REGEX", help="Only lines in which this regular expression occurs.")] = None,
    ignore_case: Annotated[bool, typer.Option("--ignore-case", "-i", help="Let --grep find letters in any case.")] = False,
    count: Annotated[bool, typer.Option("--count", "-c", help="Print how many lines there are instead of them.")] = False,
    uri: _Uri = None,
) -> None:
    """Print the console output of a run, or search it.

    The store searches, so that of a long log on a server only the lines that match are sent.

    \b
    Examples:
      tracklog logs 3f2a -n 50
      tracklog logs sgd-digits/run-1 -f --grep "loss (nan|inf)" -i
      tracklog logs sgd-digits/run-1 --level warning --count
    """
    from collections import deque

    from tracklog.storage import LogQuery

    if stream not in (None, "stdout", "stderr", "logging"):
        raise InvalidValueError(
            f"Unknown stream `{stream}`. Expected stdout, stderr or logging.", parameter="stream", given=stream
        )
    if level is not None and level.lower() not in _LEVELS:
        raise InvalidValueError(f"Unknown level `{level}`. Expected {', '.join(_LEVELS)}.", parameter="level", given=level)
    if search is not None and grep is not None:
        raise InvalidValueError("Give --search or --grep, not both.", parameter="grep", given=grep)
    query = LogQuery(
        text=search or grep or "",
        regex=grep is not None,
        ignore_case=grep is None or ignore_case,
        level=0 if level is None else _LEVELS[level.lower()],
        rank=rank,
        stream=stream or "",
        limit=_LOG_PAGE,
        count=False,
        budget_ms=1000,
    )
    is_filtered = bool(query.text or query.level or query.stream or rank is not None)

    def read(first: int) -> tuple[list[str], int]:
        if is_filtered:
            found = store.search_log(run_id, msgspec.structs.replace(query, first_line=first))
            chosen, end = [match.line for match in found.matches], found.next_line
        else:
            page = store.log_lines(run_id, first, _LOG_PAGE)
            chosen, end = page.lines, page.first_line + len(page.lines)
        said = [f"{one.logger}: {one.printed()}" if one.stream == "logging" and one.logger else one.printed() for one in chosen]
        return said, end

    with _opened(uri) as store, contextlib.suppress(KeyboardInterrupt):
        run_id = _find(store, run).id
        position = 0
        if count:
            print(_count_lines(store, run_id, query) if is_filtered else store.log_lines(run_id, 0, 1).total_lines)
            return
        if lines is not None:
            if not is_filtered:
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


def _count_lines(store: Store, run_id: str, query: LogQuery) -> int:
    counted = position = 0
    while True:
        found = store.search_log(run_id, msgspec.structs.replace(query, first_line=position, limit=0, count=True))
        counted, position = counted + sum(found.counts), found.next_line
        if found.is_done:
            return counted


def _print_lines(lines: Sequence[str] | Any) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


# ------------------------------------------------------------------- finding a run


# -------------------------------------------------------------------------- models

_models = typer.Typer(no_args_is_help=False, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(_models, name="models", rich_help_panel="Read")


@_models.callback(invoke_without_command=True)
def _list_models_by_default(context: typer.Context, as_json: _Json = False, uri: _Uri = None) -> None:
    """List registered models, or show one with its versions.

    \b
    Examples:
      tracklog models
      tracklog models list mnist
      tracklog models show sklearn_mnist
    """
    if context.invoked_subcommand is None:
        list_models(None, as_json, uri)


@_models.command("list")
def list_models(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Words that must occur in name, description or a tag.")
    ] = None,
    as_json: _Json = False,
    uri: _Uri = None,
) -> None:
    """List registered models by name.

    \b
    Examples:
      tracklog models list
      tracklog models list mnist --json
    """
    from rich.table import Table
    from rich.text import Text

    from tracklog.storage.registry import MAX_MODELS_PAGE, ModelQuery

    with _opened(uri) as store:
        found = store.registry.search_models(ModelQuery(text=" ".join(words or []), limit=MAX_MODELS_PAGE)).models
        where = store.uri
    if as_json:
        _print_json(found)
        return
    if not found:
        print(
            "No model matches. `tracklog models` lists all."
            if words
            else f"No models in {where} yet. Register one with run.register_model(name, path) in a script."
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column, justify in (
        ("name", "left"),
        ("latest", "right"),
        ("versions", "right"),
        ("stages", "left"),
        ("aliases", "left"),
    ):
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # the words are a literal's
    table.add_column("changed", no_wrap=True, min_width=10)
    table.add_column("description", overflow="ellipsis", no_wrap=True)
    for one in found:
        stages = [f"{version.stage} {version.version}" for version in one.latest if version.stage != "None"]
        table.add_row(
            Text(one.name, style="cyan"),
            str(max((version.version for version in one.latest), default="")),
            str(one.versions),
            ", ".join(stages),
            ", ".join(f"{alias} {version}" for alias, version in one.aliases.items()),
            _ago(one.updated_ms),
            Text(_plain(one.description)),
        )
    _console().print(table)


@_models.command("show")
def show_model(
    model: Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="A registered model, or one version of it.")],
    as_json: _Json = False,
    uri: _Uri = None,
) -> None:
    """Show a registered model with its versions, or one version with its files.

    \b
    Examples:
      tracklog models show sklearn_mnist
      tracklog models show sklearn_mnist:3
    """
    name, colon, number = model.partition(":")
    if colon and not number.isdecimal():
        raise InvalidValueError(
            f"Cannot read `{model}` as a version of a model. Expected NAME:VERSION, for example {name}:1.",
            parameter="model",
            given=model,
        )
    with _opened(uri) as store:
        if colon:
            _show_version(store, name, int(number), as_json)
        else:
            _show_model(store, name, as_json)


def _show_model(store: Store, name: str, as_json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from tracklog.storage.registry import MAX_MODELS_PAGE, VersionQuery

    found = store.registry.get_model(name)
    query = VersionQuery(name=name, order_by=["-version"], limit=MAX_MODELS_PAGE)
    versions = store.registry.search_versions(query).versions
    if as_json:
        _print_json({"model": found, "versions": versions})
        return
    console = _console()
    facts = [
        ("Model", found.name),
        ("Description", found.description),
        ("Created", f"{_clock(found.created_ms)} ({_ago(found.created_ms)})"),
        ("Aliases", ", ".join(f"{alias} → {version}" for alias, version in found.aliases.items())),
    ]
    console.print(_facts([(label, value) for label, value in facts if value]))
    _print_labels(console, "Tags", found.tags)
    if not versions:
        return
    console.print("\n[bold]Versions[/bold]")
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("version", justify="right", no_wrap=True)
    for column in ("stage", "aliases", "made", "user", "source"):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for one in versions:
        cells = (one.stage, ", ".join(one.aliases), _ago(one.created_ms), one.user, one.source)
        table.add_row(Text(str(one.version), style="cyan"), *(Text(cell) for cell in cells))
    console.print(table)


def _show_version(store: Store, name: str, number: int, as_json: bool) -> None:
    from tracklog.storage.registry import files_of

    found = store.registry.get_version(name, number)
    files = []
    with contextlib.suppress(NotFoundError):  # the run that had them is gone
        if (place := files_of(store.registry, found)) is not None:
            owner, path = place
            files = store.artifacts(owner, path) or ([store.artifact(owner, path)] if path else [])
    if as_json:
        _print_json({"version": found, "artifacts": files})
        return
    console = _console()
    facts = [
        ("Model", f"{found.name}:{found.version}"),
        ("Stage", "" if found.stage == "None" else found.stage),
        ("Aliases", ", ".join(found.aliases)),
        ("Made", f"{_clock(found.created_ms)} ({_ago(found.created_ms)})"),
        ("User", found.user),
        ("Run", found.run_id),
        ("Source", found.source),
        ("Description", found.description),
    ]
    console.print(_facts([(label, value) for label, value in facts if value]))
    _print_labels(console, "Tags", found.tags)
    _print_labels(console, "Properties", found.properties)
    _print_files(console, files)


def _opened(uri: str | None, *, create: bool = False) -> contextlib.closing[Store]:
    from tracklog.settings import Settings
    from tracklog.storage import open_store

    return contextlib.closing(open_store(Settings.read(uri).uri, create=create))


def _search(store: Store, query: RunQuery, limit: int) -> tuple[list[RunInfo], int]:
    """Return at most `limit` runs (0: all) and how many there are."""
    from tracklog.storage import MAX_PAGE

    found: list[RunInfo] = []
    token: str | None = None
    total = 0
    while True:
        size = MAX_PAGE if limit == 0 else min(MAX_PAGE, limit - len(found))
        page = store.search_runs(msgspec.structs.replace(query, limit=size, page_token=token, count=token is None))
        found.extend(page.runs)
        total = total if page.total is None else page.total
        token = page.next_page_token
        if token is None or (limit and len(found) >= limit):
            return found, total


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
    return Console(stderr=stderr, highlight=False, soft_wrap=False, width=None if stream.isatty() else _UNBOUNDED)


def _complain(message: str) -> None:
    from rich.text import Text

    # Errors may be long; soft_wrap leaves breaking them to the terminal, so that they can be copied.
    _console(stderr=True).print(Text(f"Error: {message}", style="red"), soft_wrap=True)


def _print_json(value: Any) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _run_table(runs: Sequence[RunInfo], order_by: str, params: int, metrics: int) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    ids = _short_ids([one.id for one in runs])
    table.add_column("id", no_wrap=True, min_width=len(ids[0]))
    for name, width in (("experiment", None), ("name", None), ("status", 9), ("started", 10)):
        table.add_column(name, no_wrap=True, min_width=width)
    table.add_column("duration", justify="right", no_wrap=True, min_width=8)
    kind, _, wanted = order_by.lstrip("-").partition(":")
    columns: list[list[str]] = []
    for param in _key_params(runs, wanted if kind == "param" else "")[:params]:
        table.add_column(Text(param), justify="right", no_wrap=True)
        columns.append(_aligned([_number(one.params[param]) if param in one.params else "" for one in runs]))
    for metric in _key_metrics(runs, wanted if kind == "metric" else "")[:metrics]:
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
    return sorted(values, key=lambda name: (name != wanted, len(set(values[name])) < 2, -len(values[name])))


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
    return [name for name, _ in counts.most_common()]


def _metric_table(metrics: Sequence[MetricSummary], sparks: dict[tuple[str, str], str], width: int) -> Any:
    from rich.table import Table
    from rich.text import Text

    from tracklog.records import DType

    ordered = sorted(metrics, key=lambda one: one.name.startswith("system/"))
    labels = [_plain(f"{one.name} · {one.column}" if one.column else one.name, _LABEL_CHARS) for one in ordered]
    numbers = {
        "last": _aligned(["" if one.dtype is DType.TEXT else _last(one) for one in ordered]),
        "min": _aligned(["" if one.min is None else _number(one.min) for one in ordered]),
        "max": _aligned(["" if one.max is None else _number(one.max) for one in ordered]),
        "points": [f"{one.count:,}" for one in ordered],
    }

    def space() -> int:
        """Return how wide the course may be: what names and numbers leave, each with two blanks."""
        taken = max(map(len, labels)) + 2
        return width - taken - 2 - sum(max(len(title), *map(len, cells)) + 2 for title, cells in numbers.items())

    for dispensable in ("points", "min", "max"):
        if space() < _MIN_SPARK_CELLS:
            del numbers[dispensable]
    cells = max(_MIN_SPARK_CELLS, min(_SPARK_CELLS, space()))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("name", no_wrap=True, min_width=max(map(len, labels)))
    table.add_column("course", no_wrap=True, min_width=cells)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    for number, one in enumerate(ordered):
        if one.dtype is DType.TEXT:
            course = Text(_plain(one.last_text, cells))
        else:
            course = Text(_squeezed(sparks.get((one.name, one.column), ""), cells), style="cyan")
        table.add_row(Text(labels[number]), course, *(Text(column[number]) for column in numbers.values()))
    return table


def _squeezed(line: str, cells: int) -> str:
    """Cut a sparkline to a width by leaving cells out evenly; the first and the last stay."""
    if len(line) <= cells:
        return line
    return "".join(line[round(number * (len(line) - 1) / (cells - 1))] for number in range(cells))


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
    rows += [(topic.capitalize(), _topic(info.info.get(topic))) for topic in ("command", "git", "host")]
    return [(name, value) for name, value in rows if value]


def _print_labels(console: Console, title: str, labels: Mapping[str, Any]) -> None:
    if labels:
        console.print(f"\n[bold]{title}[/bold]")
        console.print(_facts([(name, _plain(str(value))) for name, value in sorted(labels.items())]))


def _print_files(console: Console, files: Sequence[ArtifactInfo]) -> None:
    if files:
        console.print("\n[bold]Files[/bold]")
        console.print(_facts([(_size(one.size_bytes), one.path) for one in files[:_SHOWN_FILES]], justify="right"))
        if len(files) > _SHOWN_FILES:
            console.print(f"… and {len(files) - _SHOWN_FILES} more; --json lists all")


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


def _plain(text: str, chars: int = _TEXT_CHARS) -> str:
    """Return a text as one short line."""
    line = " ".join(text.split())
    return line if len(line) <= chars else line[: chars - 1] + "…"


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


class _Exports(_Commands):
    """`tracklog export RUN -o PATH` is `tracklog export points RUN -o PATH`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["points", *args]
        return super().parse_args(ctx, args)


_exports = typer.Typer(
    cls=_Exports,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(_exports, name="export", rich_help_panel="Take along")


@_exports.callback()
def _export() -> None:
    """Write metrics to a file (points, the default), or hand everything to an MLflow server.

    \b
    Examples:
      tracklog export 3f2a -o points.csv
      tracklog export -o everything.json
      tracklog export mlflow http://mlflow:5000
    """


@_exports.command()
def points(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PATH", help="File to write.", show_default=False)],
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Only this run; by default all.")] = None,
    experiment: Annotated[str | None, typer.Option("--experiment", "-e", help="All runs of this experiment.")] = None,
    format_name: Annotated[
        str | None, typer.Option("--format", "-f", help="csv, parquet or json; by default what PATH ends with.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace PATH if it exists.")] = False,
    uri: _Uri = None,
) -> None:
    """Write every point of every metric to a file, each value exactly as it was logged.

    Columns: run_id, name, column (of a row or table metric), step, time_ms (UTC), value, text.
    Parquet has `integer` too, for int64 and bool, which its float `value` cannot hold exactly.
    In JSON NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity".

    Without RUN a table of the runs is written as well: PATH with `.runs` before its ending; JSON has both in one.

    \b
    Examples:
      tracklog export 3f2a -o points.csv
      tracklog export -e diabetes-ridge -o ridge.parquet
      tracklog export -o everything.json
    """
    from tracklog.storage import RunQuery

    kind = (format_name or output.suffix.removeprefix(".")).lower()
    if kind not in _EXPORTS:
        given = f"`{format_name}`" if format_name else f"the ending of `{output}`"
        raise InvalidValueError(
            f"Unknown export format: {given}. Expected csv, parquet or json; give one with --format.",
            parameter="format",
            given=kind,
        )
    if run is not None and experiment is not None:
        raise InvalidValueError("Give either a RUN or --experiment, not both.", parameter="experiment", given=experiment)
    table_path = output.with_name(f"{output.stem}.runs{output.suffix}") if run is None and kind != "json" else None
    for path in (output, table_path):
        if path is not None and path.exists() and not force:
            raise ConflictError(f"{path} exists already. Choose another name, or replace it with --force.")
    with _opened(uri) as store:
        if run is not None:
            runs = [store.get_run(_find(store, run).id)]
        else:
            if experiment is not None and experiment not in (known := [one.name for one in store.experiments()]):
                from tracklog.errors import unknown

                raise unknown("experiment", experiment, known)
            runs, _ = _search(store, RunQuery(experiment=experiment, order_by="start"), 0)
        with _progress("Exporting points") as progress, contextlib.ExitStack() as finished:
            partial = finished.enter_context(_replacing(output))
            table_partial = None if table_path is None else finished.enter_context(_replacing(table_path))
            count = _EXPORTS[kind](runs, _points(store, runs, progress), partial, table_partial)
    print(f"{count:,} points of {len(runs)} run{'s' * (len(runs) != 1)} → {output}" + (f", {table_path}" if table_path else ""))


_Experiments = Annotated[
    list[str] | None,
    typer.Option("--experiment", "-e", help="Only this experiment, and no registered models; may be given again."),
]
_NoFiles = Annotated[bool, typer.Option("--no-files", help="Leave the files of runs and models where they are.")]


@_exports.command("mlflow")
def export_mlflow(
    server: Annotated[str, typer.Argument(metavar="URL", help="Address of the MLflow server.", show_default=False)],
    experiment: _Experiments = None,
    no_files: _NoFiles = False,
    as_json: _Json = False,
    uri: _Uri = None,
) -> None:
    """Hand the workspace to an MLflow server: runs with all points, params, tags and files, models and their versions.

    Runs get new ids there; a tag `tracklog.run_id` has ours. Call it again to go on, or to hand over what is new.
    The login is MLflow's: MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.

    \b
    Examples:
      tracklog export mlflow http://mlflow:5000
      tracklog export mlflow http://mlflow:5000 -e diabetes-ridge --no-files
    """
    from tracklog import exchange

    with _opened(uri) as store, _runs_progress() as progress:
        report = exchange.export_mlflow(store, server, experiments=experiment, with_files=not no_files, progress=progress)
    _print_report(report, f"{server} from {store.uri}", as_json)


_imports = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(_imports, name="import", rich_help_panel="Take along")


@_imports.callback()
def _import() -> None:
    """Bring over what another tracker holds.

    \b
    Examples:
      tracklog import mlflow ./mlruns
    """


@_imports.command("mlflow")
def import_mlflow(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="http(s):// address of a server, the folder mlruns, a SQLite file, or postgresql://…",
            show_default=False,
        ),
    ],
    artifacts: Annotated[
        list[Path] | None,
        typer.Option(
            "--artifacts", "-a", metavar="FOLDER", help="A folder that files may be read from, too; may be given again."
        ),
    ] = None,
    experiment: _Experiments = None,
    no_files: _NoFiles = False,
    as_json: _Json = False,
    uri: _Uri = None,
) -> None:
    """Bring over an MLflow store: runs with all points, params, tags and files, models and their versions.

    Runs keep their ids. Call it again to go on after an interruption, or to catch up with a store that is still used:
    nothing arrives twice.

    \b
    Examples:
      tracklog import mlflow http://mlflow:5000
      tracklog import mlflow ./mlruns
      tracklog import mlflow mlflow.db --artifacts /data/mlartifacts
      tracklog import mlflow postgresql://mlflow:secret@db/mlflow -e resnet
    """
    from tracklog import exchange

    with contextlib.closing(exchange.opened(source, artifacts or [])) as opened, _opened(uri, create=True) as store:
        with _runs_progress() as progress:
            report = exchange.import_mlflow(store, opened, experiments=experiment, with_files=not no_files, progress=progress)
        _print_report(report, f"{store.uri} from {opened.address}", as_json)


@contextlib.contextmanager
def _runs_progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """Give a function (what, runs done, of how many) that draws a bar on the terminal once the work has taken over a second."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = _console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeElapsedColumn())
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task("", total=None)
    began = time.monotonic()

    def advance(what: str, done: int, total: int | None) -> None:
        if not progress.live.is_started and time.monotonic() - began > _SLOW_S:
            progress.start()
        progress.update(task, description=_plain(what, _LABEL_CHARS), completed=done, total=total)

    try:
        yield advance
    finally:
        progress.stop()


def _print_report(report: Report, title: str, as_json: bool) -> None:
    """Print what was moved and what was not, and why."""
    if as_json:
        problems = [{"what": one.what, "why": one.why} for one in report.problems]
        _print_json({"moved": dict(report.moved), "there": dict(report.there), "problems": problems})
        return
    from rich.table import Table
    from rich.text import Text

    console = _console()
    console.print(Text(title))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "moved", "there before"):
        table.add_column(name, justify="left" if not name else "right")
    for kind in [*report.moved, *(kind for kind in report.there if kind not in report.moved)]:
        table.add_row(kind, f"{report.moved[kind]:,}", f"{report.there[kind]:,}")
    if report.moved or report.there:
        console.print(table)
    else:
        console.print("There is nothing to move.")
    if report.problems:
        console.print(Text(f"\nNot moved, or not as it was ({len(report.problems):,}):"))
        for one in report.problems[:_SHOWN_PROBLEMS]:
            console.print(Text(f"  {_plain(one.what, _WIDE)}: {_plain(one.why, _WIDE)}"))
        if len(report.problems) > _SHOWN_PROBLEMS:
            console.print(Text(f"  … and {len(report.problems) - _SHOWN_PROBLEMS:,} more; --json lists all."))


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, which takes the name of `path` when the block succeeds and is removed when it fails."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.touch()
        yield partial
        partial.replace(path)
    except OSError as error:
        if isinstance(error, TracklogError):
            raise
        raise TracklogError(f"Cannot write {path}: {error.strerror or error}. Choose another place with -o.") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


# run_id, name, column, steps, times_ms, values, sessions from 1: a whole series at once
_Series = tuple[str, str, str, list[int], list[int], list[Any], list[int]]


def _points(store: Store, runs: Sequence[RunInfo], progress: Callable[[int, int], None]) -> Iterator[_Series]:
    total = sum(metric.count for one in runs for metric in one.metrics)
    done = 0
    for one in runs:
        begins = [session.first_ms for session in one.sessions[1:]]
        # Numbers and text logged under one name have a summary each, but are one series.
        for name, column in dict.fromkeys((metric.name, metric.column) for metric in one.metrics):
            series = store.columns(one.id, name, column)
            times_ms = series.times_ms.tolist()
            sessions = [1 + bisect.bisect_right(begins, time_ms) for time_ms in times_ms] if begins else [1] * len(times_ms)
            yield one.id, name, column, series.steps.tolist(), times_ms, series.values.tolist(), sessions
            done += len(series)
            progress(done, total)


def _run_rows(runs: Sequence[RunInfo]) -> dict[str, list[Any]]:
    """Return the runs as columns; of metrics the last value, exactly."""
    from tracklog.records import DType
    from tracklog.sdk.native import table_row

    exact: dict[DType, Callable[[str], Any]] = {
        DType.FLOAT: float,
        DType.INT: int,
        DType.BOOL: "true".__eq__,
        DType.NONE: lambda _: None,
        DType.TEXT: str,
    }
    rows = []
    for one in runs:
        row = table_row(one)
        for metric in one.metrics:
            label = f"metrics.{metric.name}" + (f".{metric.column}" if metric.column else "")
            row[label] = exact[metric.dtype](metric.last_text)
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)  # repr of a float reads back to the same bits


def _write_csv(runs: Sequence[RunInfo], points: Iterator[_Series], path: Path, table_path: Path | None) -> int:
    import csv

    count = 0
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["run_id", "name", "column", "step", "time_ms", "value", "text", "session"])
        for run_id, name, column, steps, times_ms, values, sessions in points:
            for step, time_ms, value, session in zip(steps, times_ms, values, sessions, strict=True):
                cells = ("", value) if isinstance(value, str) else (_cell(value), "")
                rows.writerow((run_id, name, column, step, time_ms, *cells, session))
            count += len(steps)
    if table_path is not None:
        columns = _run_rows(runs)
        with table_path.open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(columns)
            rows.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))
    return count


def _write_json(runs: Sequence[RunInfo], points: Iterator[_Series], path: Path, _: Path | None) -> int:
    import json

    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    count = 0
    with path.open("w", encoding="utf-8") as stream:
        stream.write('{"runs": [\n' + ",\n".join(msgspec.json.encode(one).decode() for one in runs) + '\n],\n"points": [')
        for run_id, name, column, steps, times_ms, values, sessions in points:
            for step, time_ms, value, session in zip(steps, times_ms, values, sessions, strict=True):
                row: dict[str, Any] = {
                    "run_id": run_id,
                    "name": name,
                    "column": column,
                    "step": step,
                    "time_ms": time_ms,
                    "session": session,
                }
                if isinstance(value, str):
                    row["text"] = value
                else:
                    row["value"] = words.get(repr(value), value) if isinstance(value, float) else value
                stream.write(("\n" if count == 0 else ",\n") + json.dumps(row, ensure_ascii=False, allow_nan=False))
                count += 1
        stream.write("\n]}\n")
    return count


def _write_parquet(runs: Sequence[RunInfo], points: Iterator[_Series], path: Path, table_path: Path | None) -> int:
    try:
        import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]  # has no types of its own
        import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
    except ModuleNotFoundError as error:
        from tracklog.errors import MissingExtraError

        raise MissingExtraError("pyarrow", "tables", "Export to Parquet") from error
    words = [("run_id", pa.string()), ("name", pa.string()), ("column", pa.string())]
    numbers = [("step", pa.int64()), ("time_ms", pa.int64()), ("value", pa.float64()), ("integer", pa.int64())]
    schema = pa.schema([*words, *numbers, ("text", pa.string()), ("session", pa.int64())])
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for run_id, name, column, steps, times_ms, values, sessions in points:
            n = len(steps)
            cells = [
                [run_id] * n,
                [name] * n,
                [column] * n,
                steps,
                times_ms,
                [None if value is None or isinstance(value, str) else float(value) for value in values],
                [int(value) if isinstance(value, int) else None for value in values],
                [value if isinstance(value, str) else None for value in values],
                sessions,
            ]
            writer.write_table(
                pa.table([pa.array(cell, field.type) for cell, field in zip(cells, schema, strict=True)], schema=schema)
            )
            count += n
    if table_path is not None:
        columns = {}
        for name, values in _run_rows(runs).items():
            kinds = {type(value) for value in values if value is not None}
            # A param may be a number in one run and text in another; text can hold both.
            columns[name] = pa.array(values if len(kinds) <= 1 else [None if value is None else _cell(value) for value in values])
        pq.write_table(pa.table(columns), table_path, compression="zstd")
    return count


_EXPORTS = {"csv": _write_csv, "json": _write_json, "parquet": _write_parquet}


# ------------------------------------------------------------------------- keeping


@app.command(rich_help_panel="Keep in order")
def sync(workspace: _Place = None) -> None:
    """Store what runs logged before they died or lost their server.

    A journal that a killed process left is brought into its workspace: the folder's own journals, and those of this
    machine for servers. The portal and the next run do the same by themselves; sending twice does no harm.

    \b
    Examples:
      tracklog sync
      tracklog sync ./experiments
    """
    from tracklog.settings import Settings
    from tracklog.storage import open_store
    from tracklog.storage.drain import recover

    settings = Settings.read(workspace)
    recovered = []
    unreachable = False
    with _progress("Recovering journals") as progress:
        for root, uri in _journal_roots(settings):
            try:
                # Journals in a workspace's own folder are its own, even if the folder was moved since.
                own = root == Path(settings.uri) / "journals"
                with contextlib.closing(open_store(uri, create=False)) as store:
                    recovered += recover(root, store, store_uri=None if own else uri, progress=progress)
            except TracklogError as error:
                unreachable = True
                _complain(f"{error.message} The journals for {uri} stay in {root}.")
    for one in recovered:
        print(f"{one.run_id}: {one.points:,} points, {one.events:,} other records, {one.files} files")
    print(f"{len(recovered)} journal{'s' * (len(recovered) != 1)} stored." if recovered else "No journals were waiting.")
    if unreachable:
        raise typer.Exit(1)


def _journal_roots(settings: Settings) -> list[tuple[Path, str]]:
    """Return folders with left-over journals, each with the address its journals are for."""
    import json

    from tracklog.journal import abandoned
    from tracklog.settings import is_remote, journals_folder

    found: dict[tuple[Path, str], None] = {}
    roots = {settings.journals, journals_folder(settings.uri), journals_folder("https://any")}
    for root in sorted(roots):
        for journal in abandoned(root):
            if not is_remote(settings.uri) and root == Path(settings.uri) / "journals":
                found[root, settings.uri] = None
                continue
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # `doctor` tells of unreadable ones
                found[root, str(json.loads((journal / "journal.json").read_text())["store"])] = None
    return list(found)


@app.command(rich_help_panel="Keep in order")
def gc(
    deleted_before: Annotated[
        float,
        typer.Option(metavar="DAYS", min=0, help="Remove for good what was deleted so many days ago; 0: all that is deleted."),
    ] = _GC_DAYS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is there to clean up.")] = False,
    uri: _Uri = None,
) -> None:
    """Clean up: remove deleted runs for good, compress points, give space back.

    \b
    Examples:
      tracklog gc --dry-run
      tracklog gc --deleted-before 0
    """
    from tracklog.storage import RunQuery

    with _opened(uri) as store:
        if dry_run:
            deleted, total = _search(store, RunQuery(deleted=True), 20)
            for one in deleted:
                print(f"{one.id}  {one.experiment}/{one.name}  started {_ago(one.start_ms)}")
            when = f", as far as that was {deleted_before:g} days ago" if deleted_before else ""
            print(f"{total} deleted run{'s' * (total != 1)} would be removed for good{when}. Nothing was changed.")
            return
        with _console(stderr=True).status("Cleaning up"):
            report = store.gc(deleted_before_ms=_now_ms() - int(deleted_before * 86_400_000))
    print(
        f"{report.runs_deleted} deleted runs and {report.models_deleted} deleted models removed for good, "
        f"{report.journals_recovered} journals stored, "
        f"{_size(report.bytes_before)} → {_size(report.bytes_after)}."
    )


@app.command(rich_help_panel="Keep in order")
def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, as in `show`.", show_default=False)],
    forever: Annotated[bool, typer.Option("--forever", help="Remove all they recorded, now. This cannot be undone.")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Bring deleted runs back.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --forever.")] = False,
    uri: _Uri = None,
) -> None:
    """Delete runs. They can be brought back until `tracklog gc` removes them for good.

    \b
    Examples:
      tracklog rm 3f2a 81c0
      tracklog rm --restore 3f2a
      tracklog rm --forever diabetes-ridge/run-3
    """
    import uuid

    from tracklog.records import Batch, RunEdited

    if forever and restore:
        raise InvalidValueError("Give either --forever or --restore, not both.", parameter="restore", given=restore)
    with _opened(uri) as store:
        # All are looked up first: a misspelt one must not leave the others half done.
        found = [_find(store, one, deleted=True) for one in runs]
        if forever:
            active = [one for one in found if not one.status.is_final() and one.status is not RunStatus.NOT_RESPONDING]
            if active:
                raise ConflictError(
                    f"Run {active[0].id} ({active[0].experiment}/{active[0].name}) is {active[0].status.value}. "
                    "Stop it first, or delete it without --forever."
                )
            if not yes:
                names = ", ".join(f"{one.experiment}/{one.name}" for one in found)
                typer.confirm(f"Remove {names} with all points and files, for good?", abort=True)
            store.delete_runs([one.id for one in found])
        for one in found:
            if not forever:
                edit = RunEdited(deleted=not restore)
                store.apply(Batch(run_id=one.id, writer_id=uuid.uuid4().hex, events=[edit], live=False))
            done = "removed for good" if forever else "restored" if restore else "deleted"
            print(f"{one.id}  {one.experiment}/{one.name}  {done}")


# -------------------------------------------------------------------------- doctor


@app.command(rich_help_panel="Keep in order")
def doctor(workspace: _Place = None) -> None:
    """Check the installation and the workspace; each finding comes with a remedy.

    Exit code 1 when there is a problem.
    """
    from rich.text import Text

    colours = {"ok": "green", "warning": "yellow", "problem": "red"}
    worst_is_problem = False
    console = _console()
    for state, what, detail in _findings(workspace):
        worst_is_problem |= state == "problem"
        console.print(Text.assemble((f"{state:8}", colours[state]), (f"{what:14}", "bold"), detail), soft_wrap=True)
    if worst_is_problem:
        raise typer.Exit(1)


_Finding = tuple[str, str, str]  # "ok", "warning" or "problem"; topic; what is so, and what to do


def _findings(workspace: str | None) -> Iterator[_Finding]:
    import platform

    from tracklog.settings import Settings, is_remote

    yield "ok", "python", f"{platform.python_version()} at {sys.executable}"
    yield from _package_findings()
    settings = Settings.read(workspace)
    if workspace is not None:
        how = "given"
    elif os.environ.get("TRACKLOG_URI"):
        how = "from TRACKLOG_URI"
    elif settings.uri == str(Path.home() / ".tracklog"):
        how = "the default"
    else:
        how = "the nearest .tracklog folder upward from here"
    yield "ok", "workspace", f"{settings.uri} ({how})"
    if is_remote(settings.uri):
        if _answers(settings.uri):
            yield "ok", "server", "answers"
        else:
            remedy = "Check the address, and that `tracklog serve` runs there. Runs keep what they log in their journals."
            yield "problem", "server", f"{settings.uri} does not answer. {remedy}"
    else:
        yield from _folder_findings(Path(settings.uri))
    yield from _journal_findings(settings)


def _package_findings() -> Iterator[_Finding]:
    from importlib import metadata, resources

    def versions(names: Sequence[str]) -> tuple[list[str], list[str]]:
        present, absent = [], []
        for name in names:
            try:
                present.append(f"{name} {metadata.version(name)}")
            except metadata.PackageNotFoundError:
                absent.append(name)
        return present, absent

    from tracklog import __version__

    present, absent = versions(["msgspec", "numpy", "sqlalchemy", "starlette", "uvicorn", "pcodec", "psutil", "rich", "typer"])
    if absent:
        yield (
            "problem",
            "packages",
            f"missing: {', '.join(absent)}. Install again with: pip install --force-reinstall tracklog",
        )
    yield "ok", "packages", f"tracklog {__version__}, {', '.join(present)}"
    present, absent = versions(["pandas", "polars", "pyarrow", "matplotlib", "pillow", "scikit-learn", "psycopg"])
    yield "ok", "extras", (", ".join(present) or "none") + (f"; not installed: {', '.join(absent)}" if absent else "")
    if resources.files("tracklog").joinpath("server/portal/index.html").is_file():
        yield "ok", "portal", "built"
    else:
        remedy = "In a source tree build it with `python hatch_build.py`; else install the wheel again."
        yield "problem", "portal", f"its files are missing from this installation. {remedy}"


def _folder_findings(folder: Path) -> Iterator[_Finding]:
    import shutil

    if not (folder / "workspace.db").exists():
        yield "warning", "catalog", "there is no workspace yet; the first run creates it. Try: tracklog demo"
    else:
        from tracklog.storage.local import LocalStore

        try:
            with contextlib.closing(LocalStore(folder, create=False)) as store:
                problems = store.check()
                experiments = store.experiments()
                runs = sum(one.runs for one in experiments)
                yield "ok", "catalog", f"{runs} runs in {len(experiments)} experiments, {_size(store.size_bytes())}"
            remedy = "Copy the folder, then export what can be read with `tracklog export`."
            yield from (("problem", "catalog", f"{problem} {remedy}") for problem in problems)
        except TracklogError as error:
            yield "problem", "catalog", error.message
    probed = next(one for one in (folder, *folder.parents) if one.is_dir())
    free = shutil.disk_usage(probed).free
    if free > 2_000_000_000:
        yield "ok", "disk", f"{_size(free)} free"
    else:
        state = "warning" if free > 200_000_000 else "problem"
        yield (
            state,
            "disk",
            f"only {_size(free)} free. Make room, for example with `tracklog gc`; runs need it for their journals.",
        )
    yield from _file_system_findings(probed)
    yield from _portal_findings(folder)


def _file_system_findings(folder: Path) -> Iterator[_Finding]:
    """Try what journals need in the folder itself: network mounts often lack locks or mmap."""
    import mmap
    import tempfile

    from tracklog.locks import try_lock

    try:
        with tempfile.TemporaryDirectory(prefix=".tracklog-doctor-", dir=folder) as scratch:
            probe = Path(scratch) / "probe"
            probe.write_bytes(bytes(mmap.PAGESIZE))
            try:
                held = try_lock(probe)
                second = try_lock(probe)
                for fd in (held, second):
                    if fd is not None:
                        os.close(fd)
                if second is None:
                    yield "ok", "file locks", "work"
                else:
                    yield (
                        "warning",
                        "file locks",
                        "are not kept. Use the workspace from one machine only, or through `tracklog serve`.",
                    )
            except OSError as error:
                yield (
                    "warning",
                    "file locks",
                    f"are missing here ({error}). Journals of dead runs need `tracklog sync` by hand.",
                )
            try:
                with probe.open("r+b") as stream, mmap.mmap(stream.fileno(), mmap.PAGESIZE) as mapped:
                    mapped[0] = 1
                yield "ok", "mmap", "works"
            except OSError as error:
                yield (
                    "warning",
                    "mmap",
                    f"is missing here ({error}). Logging works, but slower; set TRACKLOG_JOURNALS to a local disk.",
                )
    except OSError as error:
        yield (
            "problem",
            "folder",
            f"{folder} cannot be written: {error}. Check its owner and rights, or use another workspace.",
        )


def _portal_findings(folder: Path) -> Iterator[_Finding]:
    from tracklog.sdk.workspace import Workspace

    url = Workspace(folder).portal_url()
    if url is None:
        yield "ok", "server", "no portal is running for it; start one with: tracklog ui"
    elif _answers(url):
        yield "ok", "server", f"the portal answers at {url}"
    else:
        yield (
            "warning",
            "server",
            f"the portal at {url} does not answer. Stop its process and start it again: tracklog ui",
        )


def _journal_findings(settings: Settings) -> Iterator[_Finding]:
    from tracklog.journal import abandoned
    from tracklog.settings import journals_folder

    for root in sorted({settings.journals, journals_folder("https://any")}):
        journals = {path.parent for path in root.glob("run-*/*/journal.json")}
        waiting = len(abandoned(root))
        if waiting:
            yield (
                "warning",
                "journals",
                f"{waiting} of {len(journals)} in {root} wait to be stored. Do it with: tracklog sync",
            )
        else:
            yield "ok", "journals", f"none waits in {root}" + (f"; {len(journals)} of live runs" if journals else "")


if __name__ == "__main__":
    main()
