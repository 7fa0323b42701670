"""How a store looks to an MLflow client: ids of experiments, runs with MLflow's tags and words, metrics by flat names.

Where MLflow keeps as a tag what is a fact of a run here, the fact is the truth and the tag its other name: `mlflow.runName`,
`mlflow.user`, `mlflow.parentRunId` and `mlflow.note.content` are name, user, parent and description of the run. So what
MLflow logged looks native in the portal, and what was logged natively looks complete in MLflow.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from tracklog.errors import NotFoundError
from tracklog.records import DType, Event, InfoSet, MetricKind, RunEdited, RunStatus, TagsSet
from tracklog.server.mlflow_api import wire
from tracklog.server.mlflow_api.wire import Refused
from tracklog.storage import ExperimentInfo, MetricSummary, RunInfo, Store
from tracklog.storage.filters import MLFLOW_STATUS, param_text
from tracklog.storage.registry import LoggedModel

DEFAULT_ID = "0"
DEFAULT_NAME = "Default"

RUN_NAME = "mlflow.runName"
USER = "mlflow.user"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
FACT_OF_TAG = {RUN_NAME: "name", USER: "user", PARENT: "parent_id", NOTE: "description"}
SOURCE_NAME = "mlflow.source.name"
GIT = {"mlflow.source.git.commit": "commit", "mlflow.source.git.branch": "branch", "mlflow.source.git.repoURL": "repository"}

_REMEMBERED_RUNS = 10_000
ARTIFACT_SCHEME = "mlflow-artifacts:/"

STATUS_WORDS: Mapping[RunStatus, str] = {status: word for word, meant in MLFLOW_STATUS.items() for status in meant}
STATUS_OF: Mapping[str, RunStatus] = {
    "RUNNING": RunStatus.RUNNING,
    "SCHEDULED": RunStatus.QUEUED,
    "FINISHED": RunStatus.COMPLETED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.CANCELED,
}


def experiment_id(given: str) -> str:
    """Return an experiment's id in the one form it has; "" is the default experiment's.

    Raises:
        Refused: not a whole number.
    """
    if not given:
        return DEFAULT_ID
    try:
        number = int(given)
    except ValueError:
        raise Refused(f"Invalid experiment ID '{given[:100]}'. Experiment ID must be a valid integer.") from None
    return str(number)


class View:
    """A store in MLflow's words. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        # A location is given when an experiment is made and never changes; neither does a run's experiment.
        self._locations: dict[str, str] = {}
        self._experiment_by_run: dict[str, str] = {}

    # -------------------------------------------------------------- experiments

    def experiments(self) -> list[ExperimentInfo]:
        """Return all experiments, deleted ones too; the default one is there from the start."""
        found = self.store.experiments(deleted=None)
        if not any(one.id == DEFAULT_ID for one in found):
            found.append(_UNUSED_DEFAULT)
        return found

    def experiment(self, given_id: str) -> ExperimentInfo:
        """Return the experiment of an id, also a deleted one."""
        wanted = experiment_id(given_id)
        try:
            return self.store.experiment(experiment_id=wanted)
        except NotFoundError:
            if wanted == DEFAULT_ID:
                return _UNUSED_DEFAULT
            raise wire.not_found(f"No Experiment with id={wanted} exists") from None

    def experiment_named(self, name: str) -> ExperimentInfo:
        """Return the experiment of a name, also a deleted one."""
        try:
            return self.store.experiment(name)
        except NotFoundError:
            if self.is_unused_default(name):
                return _UNUSED_DEFAULT
            raise wire.not_found(f"Could not find experiment with name '{name}'") from None

    def active_experiment(self, given_id: str) -> ExperimentInfo:
        """Return the experiment of an id. Refuses a deleted one."""
        found = self.experiment(given_id)
        if found.deleted_ms is not None:
            raise Refused(f"The experiment {found.id} must be in the 'active' state. Current state is deleted.")
        return found

    def shown_experiment(self, one: ExperimentInfo) -> wire.Experiment:
        """Return an experiment as clients see it."""
        return wire.Experiment(
            experiment_id=one.id,
            name=one.name,
            artifact_location=self.location(one.id, one),
            lifecycle_stage=_stage(one.deleted_ms is not None),
            last_update_time=one.updated_ms or one.created_ms,
            creation_time=one.created_ms,
            tags=wire.tags_of(one.tags),
            workspace="default",
        )

    def location(self, experiment: str, known: ExperimentInfo | None = None) -> str:
        """Return the address below which an experiment's files are: a remote one, or this server's."""
        found = self._locations.get(experiment)
        if found is None:
            info = known or self.experiment(experiment)
            found = info.artifact_location or f"{ARTIFACT_SCHEME}{experiment}"
            if info is not _UNUSED_DEFAULT:  # which may be made with another one
                self._locations[experiment] = found
        return found

    def is_unused_default(self, name: str) -> bool:
        """Whether this is the default experiment's name, which nothing was written to yet."""
        return name == DEFAULT_NAME and self.experiment(DEFAULT_ID) is _UNUSED_DEFAULT

    # ------------------------------------------------------------ logged models

    def logged_model(self, model_id: str, *, deleted: bool = False) -> LoggedModel:
        """Return a logged model, a deleted one only if asked for."""
        try:
            found = self.store.registry.get_logged_model(model_id)
        except NotFoundError:
            raise no_logged_model(model_id) from None
        if found.deleted and not deleted:
            raise no_logged_model(model_id)
        return found

    def model_uri(self, experiment: str, model_id: str) -> str:
        """Return the address of a logged model's files."""
        return f"{self.location(experiment)}/models/{model_id}/artifacts"

    # --------------------------------------------------------------------- runs

    def run(self, run_id: str) -> RunInfo:
        """Return a run, also a deleted one."""
        try:
            return self.store.get_run(run_id)
        except NotFoundError:
            raise no_run(run_id) from None

    def active_run(self, run_id: str) -> RunInfo:
        """Return a run. Refuses a deleted one."""
        found = self.run(run_id)
        if found.deleted:
            raise run_deleted(run_id)
        return found

    def experiment_of_run(self, run_id: str) -> str:
        """Return the id of the experiment of a run, also of a deleted one."""
        found = self._experiment_by_run.get(run_id)
        if found is None:
            found = self.run(run_id).experiment_id
            if len(self._experiment_by_run) > _REMEMBERED_RUNS:
                self._experiment_by_run.clear()
            self._experiment_by_run[run_id] = found
        return found

    def artifact_uri(self, run: RunInfo) -> str:
        """Return the address of a run's files."""
        return f"{self.location(run.experiment_id)}/{run.id}/artifacts"

    def shown_info(self, run: RunInfo) -> wire.RunInfo:
        """Return the head of a run as clients see it."""
        return wire.RunInfo(
            run_uuid=run.id,
            experiment_id=run.experiment_id,
            run_name=run.name,
            user_id=run.user,
            status=STATUS_WORDS[run.status],
            start_time=run.start_ms,
            artifact_uri=self.artifact_uri(run),
            lifecycle_stage=_stage(run.deleted),
            run_id=run.id,
            end_time=run.end_ms,
        )

    def shown_run(self, run: RunInfo) -> wire.Run:
        """Return a run as clients see it."""
        outputs = [wire.ModelOutput(output.model_id, output.step) for output in run.model_outputs]
        return wire.Run(
            info=self.shown_info(run),
            data=wire.RunData(
                metrics=last_metrics(run.metrics),
                params=[wire.Tag(name, param_text(value)) for name, value in run.params.items()],
                tags=wire.tags_of(tags_of(run)),
            ),
            inputs=wire.Inputs(
                dataset_inputs=[
                    wire.DatasetInput(
                        wire.Dataset(one.name, one.digest, one.source_type, one.source, one.schema, one.profile),
                        wire.tags_of(one.tags),
                    )
                    for one in run.datasets
                ],
                model_inputs=[wire.ModelInput(model_id) for model_id in run.model_inputs],
            ),
            outputs=wire.Outputs(outputs) if outputs else None,
        )


_UNUSED_DEFAULT = ExperimentInfo(name=DEFAULT_NAME, runs=0, active=0, created_ms=0, id=DEFAULT_ID)


def _stage(deleted: bool) -> str:
    return "deleted" if deleted else "active"


def no_run(run_id: str) -> Refused:
    """Return the error for an unknown run."""
    return wire.not_found(f"Run with id={run_id} not found")


def no_logged_model(model_id: str) -> Refused:
    """Return the error for an unknown logged model."""
    return wire.not_found(f"Logged model with ID '{model_id}' not found.")


def run_deleted(run_id: str) -> Refused:
    """Return the error for a change of a deleted run."""
    return Refused(f"The run {run_id} must be in the 'active' state. Current state is deleted.")


def tags_of(run: RunInfo) -> dict[str, str]:
    """Return a run's tags with those that say its own facts."""
    tags = dict(run.tags)
    tags.setdefault(RUN_NAME, run.name)
    for name, fact in ((USER, run.user), (PARENT, run.parent_id), (NOTE, run.description)):
        if fact:
            tags.setdefault(name, fact)
    for name, value in run.properties.items():  # where v1's scripts look for the commit
        if name.startswith("mlflow."):
            tags.setdefault(name, value)
    git, command = _topic(run, "git"), _topic(run, "command")
    for name, part in GIT.items():
        if isinstance(git.get(part), str):
            tags.setdefault(name, git[part])
    if command.get("script"):
        tags.setdefault(SOURCE_NAME, str(command["script"]))
    return tags


def _topic(run: RunInfo, name: str) -> dict[str, Any]:
    found = run.info.get(name)
    return found if isinstance(found, dict) else {}


def tag_events(tags: Mapping[str, str]) -> list[Event]:
    """Return the events that set tags of a run: its own facts where they mean one, tags for the others."""
    plain = dict(tags)
    edit = RunEdited(
        name=plain.pop(RUN_NAME, "") or None,  # a run keeps its name rather than having none
        description=plain.pop(NOTE, None),
        user=plain.pop(USER, None),
        parent_id=plain.pop(PARENT, None),
    )
    events: list[Event] = [edit] if edit != RunEdited() else []
    if plain:
        events.append(TagsSet({**plain}))
    return events


def source_info(tags: Mapping[str, str]) -> list[Event]:
    """Return what MLflow's tags tell of a run's code, where the portal shows it."""
    topics: dict[str, Any] = {}
    git = {part: tags[name] for name, part in GIT.items() if tags.get(name)}
    if git:
        topics["git"] = git
    if tags.get(SOURCE_NAME):
        topics["command"] = {"script": tags[SOURCE_NAME]}
    return [InfoSet(topics)] if topics else []


def metric_name(summary: MetricSummary) -> str:
    """Return the flat name of a series: that of a table's column follows the table's after a dot."""
    return f"{summary.name}.{summary.column}" if summary.kind.has_columns() else summary.name


def last_metrics(summaries: list[MetricSummary]) -> list[wire.MetricPoint]:
    """Return the last point of each series of numbers."""
    return [
        wire.MetricPoint(metric_name(one), wire.number(float(value)), one.last_time_ms, one.last_step)
        for one in summaries
        if (value := _last_value(one)) is not None
    ]


def _last_value(summary: MetricSummary) -> float | None:
    if summary.kind not in _NUMERIC or summary.dtype in (DType.TEXT, DType.NONE):
        return None
    # `last` has no NaN and ±inf; the exact text has.
    return summary.last if summary.last is not None else float(json.loads(summary.last_text))


_NUMERIC = (MetricKind.SCALAR, MetricKind.LIST, MetricKind.ROW, MetricKind.TABLE)


_ADJECTIVES = (
    "able", "amber", "big", "bold", "brave", "bright", "calm", "clever", "cool", "deft", "eager", "fair", "fast", "fine", "glad",
    "grand", "happy", "honest", "keen", "kind", "lively", "lucky", "merry", "mild", "neat", "nimble", "proud", "quick", "quiet",
    "rare", "serene", "sharp", "shiny", "smart", "smooth", "steady", "sunny", "swift", "tidy", "vivid", "warm", "wise",
)  # fmt: skip
_NOUNS = (
    "ant", "bat", "bear", "bee", "bird", "calf", "cat", "colt", "crab", "crane", "crow", "deer", "dove", "duck", "eel", "elk",
    "fawn", "finch", "fish", "fox", "frog", "goat", "gull", "hare", "hawk", "hen", "horse", "jay", "lark", "lynx", "mole", "moth",
    "mouse", "newt", "owl", "panda", "robin", "seal", "snail", "stork", "swan", "tern", "toad", "trout", "whale", "wolf", "yak",
)  # fmt: skip


def random_name() -> str:
    """Return a name as MLflow makes them, so that people can speak of a run or model."""
    return f"{random.choice(_ADJECTIVES)}-{random.choice(_NOUNS)}-{random.randrange(1000)}"
