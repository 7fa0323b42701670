"""Hands a workspace to an MLflow server, through its REST protocol.

The server gives runs and logged models ids of its own. Each carries ours in a tag, by which a second export finds it again:
points, files and versions that are there already are not sent again. What is deleted or archived here is not handed over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from tracklog.errors import ConflictError, InvalidValueError, NotFoundError, ServerError, unknown
from tracklog.exchange.content import Report
from tracklog.exchange.server import MlflowServer, pairs, quoted_path
from tracklog.records import DType, MetricKind, RunStatus
from tracklog.server.mlflow_api.view import GIT, NOTE, PARENT, RUN_NAME, SOURCE_NAME, STATUS_OF, USER
from tracklog.storage import MetricColumns, RunInfo, RunQuery, Store
from tracklog.storage.filters import param_text
from tracklog.storage.registry import (
    LoggedModel,
    LoggedModelQuery,
    LoggedModelStatus,
    ModelQuery,
    ModelVersion,
    VersionQuery,
    split_source,
)

RUN_TAG, MODEL_TAG, VERSION_TAG = "tracklog.run_id", "tracklog.model_id", "tracklog.version"
PROPERTY_PREFIX = "tracklog.property."
LOG_FILE = "user_logs/std_log.txt"  # where the log of a run goes
_METRICS, _PAIRS = 1000, 100  # of a batch: MLflow's limits
_NAME_CHARS, _PARAM_CHARS, _TAG_CHARS = 250, 6000, 8000
_PAGE = 200
_NUMERIC = (MetricKind.SCALAR, MetricKind.LIST, MetricKind.ROW, MetricKind.TABLE)
_LOGGED_WORDS = {status: f"LOGGED_MODEL_{status.value}" for status in LoggedModelStatus}

Progress = Callable[[str, int, "int | None"], None]


def export_mlflow(
    store: Store,
    url: str,
    *,
    experiments: Sequence[str] | None = None,
    with_files: bool = True,
    progress: Progress = lambda *_: None,
) -> Report:
    """Hand a workspace to an MLflow server; return what arrived.

    Args:
        url: address of the server.
        experiments: names; by default all. Registered models go along with all experiments only.
        with_files: send the files of runs and logged models.
        progress: called with what is done now, how many runs are done, and how many there are.

    Raises:
        InvalidValueError: there is no MLflow server at the address.
        NotFoundError: there is no experiment of a name given.
        StoreUnavailableError: server or workspace is away; call again when it is back.
    """
    server = MlflowServer(url)
    try:
        server.check()
        return _Export(store, server, with_files, progress).run(experiments)
    finally:
        server.close()


class _Export:
    def __init__(self, store: Store, server: MlflowServer, with_files: bool, progress: Progress) -> None:
        self._store = store
        self._server = server
        self._with_files = with_files
        self._progress = progress
        self._report = Report()
        self._done = 0
        self._runs: dict[str, Mapping[str, Any]] = {}  # heads of the runs on the server, by our ids
        self._models: dict[str, Mapping[str, Any]] = {}  # heads of the logged models on the server, by our ids
        self._has_logged_models = True  # those of MLflow 2 have none
        self._renamed: dict[str, str] = {}

    def run(self, names: Sequence[str] | None) -> Report:
        chosen = [one for one in self._store.experiments() if one.archived_ms is None]
        if names is not None:
            known = {one.name for one in chosen}
            for name in names:
                if name not in known:
                    raise unknown("experiment", name, known)
            chosen = [one for one in chosen if one.name in names]
        total = sum(one.runs for one in chosen)
        for experiment in sorted(chosen, key=lambda one: one.created_ms):
            id_ = self._experiment(experiment.name, experiment.tags)
            if id_ is None:
                continue
            self._remember(id_)
            for run in self._found(RunQuery(experiment=experiment.name, order_by="start", limit=_PAGE)):
                self._progress(experiment.name, self._done, total)
                try:
                    self._run(id_, self._store.get_run(run.id))
                except (InvalidValueError, ConflictError, NotFoundError, ServerError) as error:
                    self._report.note(f"run {run.id}", error.message)
                self._done += 1
            self._logged_models(experiment.name, id_)
        if names is None:
            self._progress("models", self._done, total)
            for model in self._models_of_registry():
                try:
                    self._registered(model)
                except (InvalidValueError, ConflictError, NotFoundError, ServerError) as error:
                    self._report.note(f"model {model}", error.message)
        for name, becomes in sorted(self._renamed.items()):
            self._report.note(f"name {name!r}", f"MLflow does not take it; it is {becomes!r} there")
        return self._report

    def _count(self, kind: str, moved: int) -> None:
        if moved:
            self._report.moved[kind] += moved

    def _found(self, query: RunQuery) -> Iterator[RunInfo]:
        while True:
            page = self._store.search_runs(query)
            yield from page.runs
            if page.next_page_token is None:
                return
            query = msgspec.structs.replace(query, page_token=page.next_page_token)

    # ----------------------------------------------------------------- experiments

    def _experiment(self, name: str, tags: Mapping[str, str]) -> str | None:
        """Return the id of the experiment on the server, which is made if need be; None when that cannot be."""
        try:
            found = self._server.get("experiments/get-by-name", experiment_name=name)["experiment"]
        except NotFoundError:
            made = self._server.post("experiments/create", name=name, tags=[_pair(key, value) for key, value in tags.items()])
            self._report.moved["experiments"] += 1
            return str(made["experiment_id"])
        if found.get("lifecycle_stage") == "deleted":
            self._report.note(f"experiment {name!r}", "it is deleted on the server. Restore it there, or remove it for good")
            return None
        self._report.there["experiments"] += 1
        return str(found["experiment_id"])

    def _remember(self, experiment_id: str) -> None:
        """Note which of our runs and logged models the server has in an experiment."""
        asked = {"experiment_ids": [experiment_id], "run_view_type": "ALL", "max_results": 1000}
        for run in self._server.pages("runs/search", "runs", **asked):
            if own := pairs(run.get("data", {}).get("tags")).get(RUN_TAG):
                self._runs[own] = run["info"]
        try:
            models = list(self._server.pages("logged-models/search", "models", experiment_ids=[experiment_id], max_results=50))
        except (NotFoundError, ServerError):
            models, self._has_logged_models = [], False
        for model in models:
            if own := pairs(model["info"].get("tags")).get(MODEL_TAG):
                self._models[own] = model["info"]

    # ------------------------------------------------------------------------ runs

    def _run(self, experiment_id: str, run: RunInfo) -> None:
        tags = self._tags(run)
        before = self._runs.get(run.id)
        if before is None:
            made = self._server.post(
                "runs/create",
                experiment_id=experiment_id,
                user_id=run.user,
                run_name=run.name,
                start_time=run.start_ms,
                tags=[_pair(key, value) for key, value in tags.items()],
            )["run"]
            info = made["info"]
            self._runs[run.id] = info
        else:
            if before.get("lifecycle_stage") == "deleted":
                self._report.note(f"run {run.id}", "it is deleted on the server")
                return
            info = before
        target = str(info["run_id"])
        current = self._server.get("runs/get", run_id=target)["run"]
        data = current.get("data", {})
        have = pairs(data.get("tags"))
        news = 0
        for name, pairs_, there in (
            ("params", {self._name(key): param_text(value) for key, value in run.params.items()}, pairs(data.get("params"))),
            ("tags", tags, have),
        ):
            missing = [_pair(key, value) for key, value in pairs_.items() if key not in there]
            for first in range(0, len(missing), _PAIRS):
                batch: dict[str, Any] = {"run_id": target, name: missing[first : first + _PAIRS]}
                self._server.post("runs/log-batch", **batch)
            news += len(missing)
            if before is None and name == "tags":
                missing = [_pair(key, value) for key, value in tags.items()]
            self._count(name, len(missing))
        self._check_lengths(run, tags)
        news += self._points(run, target, {str(one["key"]) for one in data.get("metrics", [])})
        news += self._lineage(run, target, current)
        if self._with_files:
            news += self._files(run.id, str(info.get("artifact_uri", "")), self._listed(target), f"run {run.id}")
            news += self._log(run, info)
        if run.status.is_final() and info.get("status") not in ("FINISHED", "FAILED", "KILLED"):
            self._server.post("runs/update", run_id=target, status=_word(run.status), end_time=run.end_ms or run.start_ms)
        (self._report.moved if before is None or news else self._report.there)["runs"] += 1

    def _tags(self, run: RunInfo) -> dict[str, str]:
        """Return the tags of a run with those that say its facts in MLflow's words."""
        found = {RUN_TAG: run.id, RUN_NAME: run.name}
        parent = self._runs.get(run.parent_id or "")
        facts = {USER: run.user, NOTE: run.description, PARENT: str(parent["run_id"]) if parent is not None else ""}
        git, command = run.info.get("git"), run.info.get("command")
        for tag, part in GIT.items():
            facts[tag] = str(git.get(part) or "") if isinstance(git, dict) else ""
        facts[SOURCE_NAME] = str(command.get("script") or "") if isinstance(command, dict) else ""
        found |= {key: value for key, value in facts.items() if value}
        found |= {self._name(key): value for key, value in run.tags.items()}
        found |= {self._name(PROPERTY_PREFIX + key): value for key, value in run.properties.items()}
        return found

    def _name(self, name: str) -> str:
        """Return a name as MLflow takes it."""
        becomes = re.sub(r"[^/\w.\- :]", "_", name)[:_NAME_CHARS]
        parts = [part for part in becomes.split("/") if part not in ("", ".", "..")]
        becomes = "/".join(parts) or "_"
        if becomes != name:
            self._renamed[name] = becomes
        return becomes

    def _check_lengths(self, run: RunInfo, tags: Mapping[str, str]) -> None:
        for what, values, limit in (("params", run.params, _PARAM_CHARS), ("tags", tags, _TAG_CHARS)):
            for key, value in values.items():
                if len(str(value)) > limit:
                    self._report.note(f"{what[:-1]} {key!r} of run {run.id}", f"MLflow cuts it to {limit:,} characters")

    def _points(self, run: RunInfo, target: str, there: set[str]) -> int:
        """Send the points that the server does not have; return how many."""
        sent = 0
        texts = 0
        waiting: list[dict[str, Any]] = []
        for metric in run.metrics:
            if metric.kind not in _NUMERIC or metric.dtype is DType.TEXT:
                texts += metric.count
                continue
            columns = self._store.columns(run.id, metric.name, metric.column)
            key = self._name(f"{metric.name}.{metric.column}" if metric.kind.has_columns() else metric.name)
            known: Counter[tuple[int, int, str]] = Counter()
            if key in there:
                # MLflow keeps a point once, however often it is logged.
                known.update(
                    {
                        (int(one.get("step", 0)), int(one["timestamp"]), _as_sent(float(one["value"])))
                        for one in self._server.history(target, key)
                    }
                )
            for step, time_ms, value in _numbers(columns):
                point = (step, max(0, time_ms), _as_sent(value))
                if known[point]:
                    self._report.there["points"] += 1
                    continue
                known[point] += 1
                waiting.append({"key": key, "value": _json_number(value), "timestamp": point[1], "step": step})
                if len(waiting) == _METRICS:
                    self._server.post("runs/log-batch", run_id=target, metrics=waiting)
                    sent, waiting = sent + len(waiting), []
        if waiting:
            self._server.post("runs/log-batch", run_id=target, metrics=waiting)
            sent += len(waiting)
        if texts:
            self._report.note(f"{texts:,} text values of run {run.id}", "metrics of MLflow are numbers")
        self._count("points", sent)
        return sent

    def _lineage(self, run: RunInfo, target: str, current: Mapping[str, Any]) -> int:
        inputs = current.get("inputs") or {}
        have = {(str(one["dataset"].get("name")), str(one["dataset"].get("digest"))) for one in inputs.get("dataset_inputs", [])}
        datasets = [
            {
                "tags": [_pair(key, value) for key, value in one.tags.items()],
                "dataset": {
                    "name": one.name,
                    "digest": one.digest,
                    "source_type": one.source_type,
                    "source": one.source,
                    "schema": one.schema,
                    "profile": one.profile,
                },
            }
            for one in run.datasets
            if (one.name, one.digest) not in have
        ]
        if datasets:
            self._server.post("runs/log-inputs", run_id=target, datasets=datasets)
            self._report.moved["data sets"] += len(datasets)
        return len(datasets)

    # ----------------------------------------------------------------------- files

    def _listed(self, target: str) -> dict[str, int | None]:
        return dict(self._server.files("artifacts/list", "path", run_id=target))

    def _files(self, owner: str, uri: str, there: Mapping[str, int | None], what: str) -> int:
        """Send the files that the server does not have; return how many."""
        files = self._store.artifacts(owner)
        if not files:
            return 0
        root = re.fullmatch(r"mlflow-artifacts:/+(?:[^/]+(?=//))?/*(.*)", uri)
        if root is None:
            self._report.note(
                f"files of {what}", f"the server keeps files at {uri}, out of its clients' reach; start it with --serve-artifacts"
            )
            return 0
        sent = 0
        for file in files:
            if file.path in there and there[file.path] in (None, file.size_bytes):
                self._report.there["files"] += 1
                continue
            try:
                self._put(f"{root[1]}/{file.path}", self._store.read_artifact(owner, file.path), file.size_bytes)
            except (InvalidValueError, NotFoundError, ServerError) as error:
                self._report.note(f"file {file.path!r} of {what}", error.message)
            else:
                sent += 1
        self._count("files", sent)
        return sent

    def _put(self, path: str, pieces: Iterator[bytes], size_bytes: int) -> None:
        self._server.upload(f"/api/2.0/mlflow-artifacts/artifacts/{quoted_path(path)}", pieces, size_bytes)

    def _log(self, run: RunInfo, info: Mapping[str, Any]) -> int:
        """Send what the run printed as a file."""
        lines: list[str] = []
        while (page := self._store.log_lines(run.id, len(lines), 5000)).lines:
            lines.extend(line.printed() for line in page.lines)
        root = re.fullmatch(r"mlflow-artifacts:/+(?:[^/]+(?=//))?/*(.*)", str(info.get("artifact_uri", "")))
        if not lines or root is None:
            return 0
        text = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        there = dict(self._server.files("artifacts/list", "path", run_id=str(info["run_id"])))
        if there.get(LOG_FILE) == len(text):
            return 0
        self._put(f"{root[1]}/{LOG_FILE}", iter([text]), len(text))
        self._report.moved["logs"] += 1
        return 1

    # ---------------------------------------------------------------------- models

    def _logged_models(self, experiment: str, experiment_id: str) -> None:
        for model in self._logged_of(experiment):
            if not self._has_logged_models:
                self._report.note(f"logged models of {experiment!r}", "the server is of MLflow 2, which has none")
                return
            try:
                self._logged(model, experiment_id)
            except (InvalidValueError, ConflictError, NotFoundError, ServerError) as error:
                self._report.note(f"logged model {model.id}", error.message)

    def _logged_of(self, experiment: str) -> Iterator[LoggedModel]:
        query = LoggedModelQuery(experiments=[experiment], order_by=["created"], limit=_PAGE)
        while True:
            page = self._store.registry.search_logged_models(query)
            yield from page.models
            if page.next_page_token is None:
                return
            query = msgspec.structs.replace(query, page_token=page.next_page_token)

    def _logged(self, model: LoggedModel, experiment_id: str) -> None:
        run = self._runs.get(model.source_run_id)
        info = self._models.get(model.id)
        if info is None:
            made = self._server.post(
                "logged-models",
                experiment_id=experiment_id,
                name=model.name,
                model_type=model.type,
                source_run_id=str(run["run_id"]) if run is not None else "",
                params=[_pair(self._name(key), value) for key, value in model.params.items()],
                tags=[_pair(MODEL_TAG, model.id), *(_pair(self._name(key), value) for key, value in model.tags.items())],
            )["model"]
            info = made["info"]
            self._models[model.id] = info
            self._report.moved["logged models"] += 1
        else:
            self._report.there["logged models"] += 1
        target = str(info["model_id"])
        if self._with_files:
            listing = f"logged-models/{target}/artifacts/directories"
            there = dict(self._server.files(listing, "artifact_directory_path"))
            self._files(model.id, str(info.get("artifact_uri", "")), there, f"logged model {model.id}")
        if info.get("status") != _LOGGED_WORDS[model.status] and model.status is not LoggedModelStatus.PENDING:
            self._server.post(f"logged-models/{target}", method="PATCH", model_id=target, status=_LOGGED_WORDS[model.status])
            for one in model.metrics:
                if (measured := self._runs.get(one.run_id)) is not None:
                    metric = {
                        "key": self._name(one.name),
                        "value": _json_number(one.value),
                        "timestamp": one.time_ms,
                        "step": one.step,
                        "model_id": target,
                        "dataset_name": one.dataset_name or None,
                        "dataset_digest": one.dataset_digest or None,
                    }
                    given = {key: value for key, value in metric.items() if value is not None}
                    self._server.post("runs/log-batch", run_id=str(measured["run_id"]), metrics=[given])
            if run is not None:
                steps = [one.step for one in self._store.get_run(model.source_run_id).model_outputs if one.model_id == model.id]
                if steps:
                    outputs = [{"model_id": target, "step": step} for step in steps]
                    self._server.post("runs/outputs", run_id=str(run["run_id"]), models=outputs)

    def _models_of_registry(self) -> list[str]:
        return [one.name for one in self._store.registry.search_models(ModelQuery(order_by=["name"], limit=10_000)).models]

    def _registered(self, name: str) -> None:
        registry = self._store.registry
        model = registry.get_model(name)
        try:
            self._server.post(
                "registered-models/create",
                name=name,
                description=model.description,
                tags=[_pair(key, value) for key, value in model.tags.items()],
            )
            self._report.moved["registered models"] += 1
        except ConflictError:
            self._report.there["registered models"] += 1
        quoted = f'"{name}"' if "'" in name else f"'{name}'"
        asked = {"filter": f"name = {quoted}", "max_results": 10_000}
        there = {
            int(one["version"]): one for one in self._server.pages_by_get("model-versions/search", "model_versions", **asked)
        }
        kept = set()
        for version in sorted(
            registry.search_versions(VersionQuery(name=name, limit=10_000)).versions, key=lambda one: one.version
        ):
            if self._version(version, there):
                kept.add(version.version)
        known = self._server.get("registered-models/get", name=name)["registered_model"]
        have = {str(one["alias"]) for one in known.get("aliases", [])}
        for alias, number in model.aliases.items():
            if number in kept and alias not in have:
                self._server.post("registered-models/alias", name=name, alias=alias, version=str(number))

    def _version(self, version: ModelVersion, there: dict[int, Any]) -> bool:
        """Send a version under its number; return whether the server's version of that number is this one."""
        what = f"version {version.version} of model {version.name}"
        mark = f"{version.name}/{version.version}/{version.created_ms}"
        if (have := there.get(version.version)) is not None:
            if pairs(have.get("tags")).get(VERSION_TAG) != mark:
                self._report.note(what, "the server has another version of that number")
                return False
            self._report.there["versions"] += 1
            return True
        source = self._source(version)
        if source is None:
            self._report.note(what, "its files are not on the server")
            return False
        run = self._runs.get(version.run_id)
        given: dict[str, Any] = {
            "name": version.name,
            "source": source,
            "description": version.description,
            "run_id": str(run["run_id"]) if run is not None else "",
            "run_link": version.run_link,
            "tags": [_pair(VERSION_TAG, mark), *(_pair(key, value) for key, value in version.tags.items())],
        }
        if version.model_id in self._models:
            given["model_id"] = str(self._models[version.model_id]["model_id"])
        while (
            number := int((made := self._server.post("model-versions/create", **given)["model_version"])["version"])
        ) < version.version:
            # Numbers of versions that were deleted are not used again.
            self._server.post("model-versions/delete", method="DELETE", name=version.name, version=str(number))
        if number > version.version:
            self._server.post("model-versions/delete", method="DELETE", name=version.name, version=made["version"])
            self._report.note(what, "its number was used on the server, and was deleted there")
            return False
        if version.stage != "None":
            self._server.post(
                "model-versions/transition-stage",
                name=version.name,
                version=str(number),
                stage=version.stage,
                archive_existing_versions=False,
            )
        self._report.moved["versions"] += 1
        return True

    def _source(self, version: ModelVersion) -> str | None:
        """Return where a version's files are on the server; None: nowhere."""
        if version.model_id in self._models:
            return f"models:/{self._models[version.model_id]['model_id']}"
        owner = split_source(version.source)
        if owner is None:
            return version.source or None
        if owner[0] in self._models:
            return f"models:/{self._models[owner[0]]['model_id']}"
        if owner[0] in self._runs:
            root = str(self._runs[owner[0]].get("artifact_uri", "")).rstrip("/")
            return f"{root}/{owner[1]}" if owner[1] else root
        return None


def _pair(key: str, value: Any) -> dict[str, str]:
    return {"key": key, "value": str(value)}


def _word(status: RunStatus) -> str:
    return next((word for word, meant in STATUS_OF.items() if meant is status), "RUNNING")


def _numbers(columns: MetricColumns) -> Iterator[tuple[int, int, float]]:
    """Yield (step, time_ms, value) of the points that are numbers."""
    for step, time_ms, value, dtype in zip(columns.steps, columns.times_ms, columns.values, columns.dtypes, strict=True):
        if dtype not in (DType.NONE, DType.TEXT):
            yield int(step), int(time_ms), float(value)


def _json_number(value: float) -> float | str:
    """Return a number as MLflow's clients write it."""
    if np.isfinite(value):
        return value
    return "NaN" if np.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _as_sent(value: float) -> str:
    """Return a value for comparing: the server gives infinities back as the greatest numbers."""
    if np.isinf(value):
        return repr(float(np.copysign(np.finfo(np.float64).max, value)))
    return repr(float(value))
