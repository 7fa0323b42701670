"""What `tracklog demo --scale SIZE` writes: a workspace as large as people's own, of seeded data, in seconds.

A size says what there is much of:

    50x10x2000   50 runs × 10 metrics × 2,000 points each
    runs=10k     10,000 runs in several experiments: seed groups, sweeps with child runs, every status
    points=1M    one run with a metric of 1,000,000 points and a few companions
    names=1000   four runs with 1,000 metric names each

The same size gives the same runs, ids and values each time; only the times count back from `now_ms`. Records take the path
of every other: batches through `Store.apply`. Writing a size a second time adds nothing.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tracklog.errors import InvalidValueError, StoreUnavailableError, shown
from tracklog.records import (
    POINT,
    POINT_FIELDS,
    Batch,
    ErrorInfo,
    Event,
    MetricKey,
    ParamsSet,
    ParamValue,
    RunStarted,
    RunStatus,
    StatusChanged,
    TagsSet,
)
from tracklog.storage import Store

Array = np.ndarray[Any, Any]

_POINT = np.dtype([(name, "<i8" if kind == "V8" else kind) for name, kind in POINT_FIELDS])
_MARKER = 1
_MAX_RUNS = 1_000_000
_MAX_POINTS = 200_000_000  # a few GB while they are hot
_MAX_NAMES = 100_000
_TOGETHER_BYTES = 100_000  # of points in a transaction: a hundred small runs, or one batch of a large one
_BEAT_S = 2.0
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Grid:
    """`runs` runs with `metrics` metrics of `points` points each."""

    runs: int
    metrics: int
    points: int


@dataclass(frozen=True)
class Many:
    """`count` of one thing: `runs`, `points` or `names`."""

    what: str
    count: int


Size: TypeAlias = Grid | Many


def parse_size(text: str) -> Size:
    """Return what a size says.

    Raises:
        InvalidValueError: it is no size, or one that this machine should not be asked for.
    """
    plain = text.strip().lower().replace("×", "x").replace("_", "").replace(",", "")
    grid = re.fullmatch(r"([\d.]+[km]?)x([\d.]+[km]?)x([\d.]+[km]?)", plain)
    many = re.fullmatch(r"(runs|points|names)=([\d.]+[km]?)", plain)
    try:
        if grid:
            runs, metrics, points = (_count(part) for part in grid.groups())
            if runs <= _MAX_RUNS and metrics <= _MAX_NAMES and runs * metrics * points <= _MAX_POINTS:
                return Grid(runs, metrics, points)
        elif many:
            what, count = many[1], _count(many[2])
            if count <= {"runs": _MAX_RUNS, "points": _MAX_POINTS, "names": _MAX_NAMES}[what]:
                return Many(what, count)
    except ValueError:
        pass  # 1.2.3k
    raise InvalidValueError(
        f"Cannot make a workspace of the size {shown(text)}. Expected RUNSxMETRICSxPOINTS such as 50x10x2000, or runs=10k, "
        f"points=1M, names=1000; at most {_MAX_RUNS:,} runs, {_MAX_POINTS:,} points, {_MAX_NAMES:,} names.",
        parameter="scale",
        given=text,
    )


def _count(text: str) -> int:
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1], 1)
    count = round(float(text.rstrip("km")) * factor)
    if count < 1:
        raise ValueError(text)
    return count


def write(store: Store, size: Size, *, now_ms: int, advance: Callable[[int, int], None]) -> list[str]:
    """Write a workspace of a size and return the ids of the runs that still run; `advance(done, total)` tells how far it is."""
    if isinstance(size, Grid):
        total, batches = size.runs, _grid(size, now_ms)
    elif size.what == "runs":
        total, batches = size.count, _runs(size.count, now_ms)
    elif size.what == "points":
        total, batches = 1, _long(size.count, now_ms)
    else:
        total, batches = 4, _names(size.count, now_ms)
    running: list[str] = []
    done = waiting = 0
    gathered: list[Batch] = []
    for batch, goes_on in batches:
        gathered.append(batch)
        waiting += len(batch.points)
        if goes_on:
            running.append(batch.run_id)
        done += batch.events_start == 0
        if waiting >= _TOGETHER_BYTES:
            store.apply_all(gathered)
            gathered, waiting = [], 0
        advance(done, total)
    store.apply_all(gathered)
    return running


class Beat(threading.Thread):
    """Keeps runs alive: logs a point to each of them every two seconds until `stop`."""

    def __init__(self, store: Store, run_ids: Sequence[str], clock_ms: Callable[[], int]) -> None:
        super().__init__(name="tracklog-demo", daemon=True)
        self._store = store
        self._run_ids = run_ids
        self._clock_ms = clock_ms
        self._stopped = threading.Event()

    def run(self) -> None:
        """Log until told to stop."""
        values = random.Random(0)
        keys = [MetricKey(1, "train/loss"), MetricKey(2, "val/accuracy")]
        writer_id = f"beat-{self._clock_ms()}"
        step = 0
        while not self._stopped.wait(_BEAT_S):
            now, at = self._clock_ms(), step + _STEPS_BEFORE
            events: list[Event] = [*keys] if step == 0 else []
            try:
                for run_id in self._run_ids:
                    points = _packed(at, now, 1, 0.4 / (1 + step / 50) + values.gauss(0, 0.01))
                    points += _packed(at, now, 2, min(0.99, 0.6 + step / 1000 + values.gauss(0, 0.003)))
                    self._store.apply(Batch(run_id, writer_id, 2 * step, 2 if step else 0, points, events, keys))
            except StoreUnavailableError:
                continue  # the same step again: runs that have it skip it
            step += 1

    def stop(self) -> None:
        """End it after its last batch and close its store."""
        self._stopped.set()
        if self.is_alive():
            self.join()
        self._store.close()


# ------------------------------------------------------------------------ runs


@dataclass(frozen=True)
class _Family:
    """An experiment and what its runs vary."""

    experiment: str
    share: float
    models: tuple[str, ...]
    data: tuple[str, ...]
    best_lr: float
    hours: float
    user: str


_FAMILIES = (
    _Family("vision/resnet-sweep", 0.40, ("resnet18", "resnet34", "resnet50"), ("imagenet-1k", "imagenet-100"), 1e-3, 4.0, "ada"),
    _Family("vision/vit-ablation", 0.20, ("vit-s16", "vit-b16"), ("imagenet-1k",), 3e-4, 9.0, "grace"),
    _Family("nlp/translation-en-pt", 0.15, ("transformer-base", "transformer-big"), ("wmt-14", "opus-100"), 5e-4, 6.0, "emmy"),
    _Family("speech/asr", 0.12, ("conformer-s", "conformer-l"), ("librispeech-960", "common-voice-17"), 2e-3, 12.0, "alan"),
    _Family("tabular/churn", 0.08, ("gbdt", "mlp", "ft-transformer"), ("churn-2025q4",), 1e-2, 0.2, "grace"),
    _Family("rl/breakout", 0.05, ("ppo", "dqn"), ("breakout-v5",), 2.5e-4, 2.0, "alan"),
)
_OPTIMIZERS = ("adamw", "sgd", "lion")
_LRS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
_CURVE = 12  # points of a curve: enough for a sparkline, and a 100,000 runs have 2.4 million of them
_STEPS_BEFORE = 1200
_KEYS = tuple(
    MetricKey(number, name)
    for number, name in enumerate(("train/loss", "val/loss", "val/accuracy", "epoch_s", "gpu_hours"), start=1)
)
_RUNNING, _QUEUED, _SILENT = 5, 2, 2  # of the latest runs
_FAILED, _CANCELED = 0.06, 0.03
_ERRORS = (
    ErrorInfo("OutOfMemoryError", "CUDA out of memory. Tried to allocate 1.25 GiB (GPU 0; 79.14 GiB total capacity)"),
    ErrorInfo("FileNotFoundError", "[Errno 2] No such file or directory: '/data/shards/000173.tar'"),
    ErrorInfo("ValueError", "loss is NaN at step 412; lower the learning rate or clip gradients"),
)


@dataclass
class _Plan:
    """One run to be."""

    family: _Family
    name: str
    params: dict[str, ParamValue]
    tags: dict[str, str | None]
    parent: int | None  # number of the parent's plan


def _plans(count: int) -> Iterator[_Plan]:
    """Yield runs: single ones, groups that differ in the seed, sweeps with child runs (some of these with folds)."""
    draw = random.Random(20260101)
    weights = [family.share for family in _FAMILIES]
    made = 0

    def plan(family: _Family, params: dict[str, ParamValue], name: str, tags: dict[str, str | None], parent: int | None) -> _Plan:
        nonlocal made
        made += 1
        return _Plan(family, name, params, tags, parent)

    def configuration(family: _Family) -> dict[str, ParamValue]:
        optimizer = draw.choice(_OPTIMIZERS)
        params: dict[str, ParamValue] = {
            "model.name": draw.choice(family.models),
            "data.name": draw.choice(family.data),
            "lr": draw.choice(_LRS),
            "batch_size": draw.choice((32, 64, 128, 256)),
            "optimizer": optimizer,
            "weight_decay": draw.choice((0.0, 1e-4, 0.01, 0.05)),
            "amp": draw.random() < 0.7,
            "dropout": draw.choice((None, 0.0, 0.1, 0.3)),
            "seed": 0,
        }
        if optimizer == "sgd":
            params["momentum"] = draw.choice((0.9, 0.95))
        return params

    while made < count:
        family = draw.choices(_FAMILIES, weights)[0]
        params = configuration(family)
        base = f"{params['model.name']}-{params['optimizer']}-lr{params['lr']:g}"
        tags: dict[str, str | None] = {"team": "core" if family.user in ("ada", "grace") else "research"}
        if draw.random() < 0.1:
            tags["stage"] = draw.choice(("baseline", "candidate", "paper"))
        if draw.random() < 0.02:
            tags["note"] = "restarted after the cluster maintenance; compare with the run of the week before"
        kind = draw.random()
        if kind < 0.35:
            for seed in range(draw.choice((3, 5))):
                yield plan(family, {**params, "seed": seed}, f"{base}-s{seed}", {**tags, "group": base}, None)
        elif kind < 0.5:
            parent = made
            yield plan(family, {"trials": 8, "search": "tpe", "optimizer": params["optimizer"]}, f"sweep-{base}", tags, None)
            for trial in range(8):
                varied = {**params, "lr": draw.choice(_LRS), "weight_decay": draw.choice((0.0, 1e-4, 0.01)), "seed": trial}
                child = made
                yield plan(family, varied, f"trial-{trial}", tags, parent)
                if trial == 0 and draw.random() < 0.3:
                    for fold in range(3):
                        yield plan(family, {**varied, "fold": fold}, f"fold-{fold}", tags, child)
        else:
            yield plan(family, {**params, "seed": draw.randrange(100)}, base, tags, None)


def _runs(count: int, now_ms: int) -> Iterator[tuple[Batch, bool]]:
    draw = random.Random(20260102)
    span_ms = min(180 * _DAY_MS, count * 1_800_000)  # half a year, or half an hour for each run
    for number, plan in enumerate(_plans(count)):
        if number == count:
            return
        left = count - number - 1  # runs that come after this one
        family = plan.family
        start = now_ms - 600_000 - int(span_ms * (left + draw.random()) / count)
        length = max(20_000, int(family.hours * 3_600_000 * draw.lognormvariate(0, 0.4)))
        fate = draw.random()
        goes_on = left < _RUNNING
        waits = _RUNNING <= left < _RUNNING + _QUEUED
        is_silent = _RUNNING + _QUEUED <= left < _RUNNING + _QUEUED + _SILENT
        events: list[Event] = [
            RunStarted(
                family.experiment,
                start,
                name=plan.name,
                parent_id=None if plan.parent is None else _run_id(f"runs={count}", plan.parent),
                user=family.user,
            ),
            ParamsSet(plan.params),
            TagsSet(plan.tags),
        ]
        points = b""
        if waits:
            events.append(StatusChanged(RunStatus.QUEUED, start))
        else:
            has_failed = fate < _FAILED
            share = draw.uniform(0.1, 0.9) if has_failed or goes_on or is_silent or fate < _FAILED + _CANCELED else 1.0
            points = _results(plan, draw, start, int(length * share), max(1, round(_CURVE * share)), has_failed)
            end = min(now_ms - 60_000, start + int(length * share))
            if goes_on or is_silent:
                events.append(StatusChanged(RunStatus.RUNNING, start))
            elif has_failed:
                events.append(StatusChanged(RunStatus.FAILED, end, draw.choice(_ERRORS)))
            else:
                events.append(StatusChanged(RunStatus.CANCELED if fate < _FAILED + _CANCELED else RunStatus.COMPLETED, end))
        # A run that is sent for a dead process has no heartbeat and does not respond.
        batch = Batch(_run_id(f"runs={count}", number), "seed", 0, 0, points, events, list(_KEYS), goes_on or waits)
        yield batch, goes_on


def _results(plan: _Plan, draw: random.Random, start: int, length: int, curve: int, has_failed: bool) -> bytes:
    """Return the points of a run: two curves, an accuracy and two single numbers, better the nearer its lr is to the best."""
    lr = plan.params.get("lr")
    distance = abs(math.log10(lr / plan.family.best_lr)) if isinstance(lr, float) else 0.3
    floor = 0.25 + 0.35 * distance + (0.06 if plan.params.get("optimizer") == "sgd" else 0.0) + draw.gauss(0, 0.02)
    rate = draw.uniform(2, 5)
    points = bytearray()
    accuracy = 0.0
    for at in range(curve):
        step, time_ms = (at + 1) * 100, start + length * (at + 1) // curve
        loss = floor + 2 * math.exp(-rate * (at + 1) / _CURVE) + draw.gauss(0, 0.015)
        if has_failed and at == curve - 1 and distance > 0.8:
            loss = math.nan  # diverged
        points += _packed(step, time_ms, 1, loss)
        points += _packed(step, time_ms, 2, loss * 1.08 + abs(draw.gauss(0, 0.02)))
        accuracy = 0.98 - 0.42 * (loss - 0.2) + draw.gauss(0, 0.004) if not math.isnan(loss) else 0.1
    points += _packed(curve * 100, start + length, 3, max(0.05, min(0.995, accuracy)))
    points += _packed(curve * 100, start + length, 4, length / 1000 / curve)
    points += _packed(curve * 100, start + length, 5, length / 3_600_000 * 8)
    return bytes(points)


# ------------------------------------------------------------------------ series


def _grid(size: Grid, now_ms: int) -> Iterator[tuple[Batch, bool]]:
    name = f"{size.runs}x{size.metrics}x{size.points}"
    keys = [MetricKey(number, _metric_name(number - 1)) for number in range(1, size.metrics + 1)]
    for number in range(size.runs):
        values = np.random.default_rng([7, number])
        lr = float(10 ** values.uniform(-4, -1))
        start = now_ms - (size.runs - number) * 3_600_000
        steps = np.arange(size.points, dtype=np.int64)
        columns = [_curve(key.name, steps, lr, values) for key in keys]
        params: dict[str, ParamValue] = {
            "lr": float(f"{lr:.3g}"),
            "batch_size": (32, 64, 128)[number % 3],
            "optimizer": _OPTIMIZERS[number % 2],
            "seed": number % 5,
        }
        events: list[Event] = [
            RunStarted(f"grid-{name}", start, name=f"{params['optimizer']}-{number}", user="ada"),
            StatusChanged(RunStatus.RUNNING, start),
            ParamsSet(params),
            TagsSet({"batch": f"bs{params['batch_size']}"}),
        ]
        yield from _in_halves(_run_id(name, number), events, keys, [steps] * len(keys), columns, start)


def _long(count: int, now_ms: int) -> Iterator[tuple[Batch, bool]]:
    """One run whose loss has `count` points, with spikes and a gap of NaN; companions of a tenth, a hundredth and 50 points."""
    values = np.random.default_rng(11)
    start = now_ms - 7 * _DAY_MS
    steps = np.arange(count, dtype=np.int64)
    loss = _curve("train/loss", steps, 1e-3, values)
    loss[values.integers(0, count, max(1, count // 50_000))] *= 8
    loss[count // 3 : count // 3 + count // 200] = np.nan
    keys = [MetricKey(number, name) for number, name in enumerate(("train/loss", "lr", "grad_norm", "val/loss"), start=1)]
    strides = (1, 10, 100, max(1, count // 50))
    axes = [steps[::stride] for stride in strides]
    columns = [loss, *(_curve(key.name, axis, 1e-3, values) for key, axis in zip(keys[1:], axes[1:], strict=True))]
    events: list[Event] = [
        RunStarted("long-series", start, name=f"{count:,} points", user="ada"),
        StatusChanged(RunStatus.RUNNING, start),
        ParamsSet({"lr": 1e-3, "steps": count}),
    ]
    yield from _in_halves(_run_id(f"points={count}", 0), events, keys, axes, columns, start)


def _names(count: int, now_ms: int) -> Iterator[tuple[Batch, bool]]:
    parts = ("attn/q", "attn/k", "attn/v", "attn/out", "mlp/up", "mlp/down", "norm")
    facts = ("grad_norm", "weight_norm", "update_ratio", "max")
    names = [_metric_name(number) for number in range(min(count, 12))]
    layer = 0
    while len(names) < count:
        names += [f"layer.{layer}/{part}/{fact}" for part in parts for fact in facts]
        layer += 1
    keys = [MetricKey(number, name) for number, name in enumerate(names[:count], start=1)]
    steps = np.arange(0, 1000, 20, dtype=np.int64)
    for number in range(4):
        values = np.random.default_rng([13, number])
        start = now_ms - (4 - number) * 7_200_000
        events: list[Event] = [
            RunStarted("many-names", start, name=f"wide-{number}", user="emmy"),
            StatusChanged(RunStatus.RUNNING, start),
            ParamsSet({"layers": layer, "seed": number}),
        ]
        columns = [_curve(key.name, steps, 1e-3, values) for key in keys]
        yield from _in_halves(_run_id(f"names={count}", number), events, keys, [steps] * len(keys), columns, start)


def _metric_name(number: int) -> str:
    known = ("train/loss", "val/loss", "train/accuracy", "val/accuracy", "lr", "grad_norm", "throughput", "memory_gb")
    return known[number] if number < len(known) else f"probe/feature_{number - len(known)}"


def _curve(name: str, steps: Array, lr: float, values: np.random.Generator) -> Array:
    """Return (n,) float64 over `steps` that looks like a metric of that name."""
    n = len(steps)
    at = steps / max(1, int(steps[-1]))
    noise = values.normal(0, 1, n)
    off = abs(math.log10(lr) + 2.5)
    if name.endswith("loss"):
        return 0.2 + 0.25 * off + 2.3 * np.exp(-at * (9 - 2 * off)) + noise * (0.03 if name.startswith("train") else 0.012)
    if name.endswith("accuracy"):
        return np.clip(0.97 - 0.12 * off - 0.85 * np.exp(-at * 7) + noise * 0.008, 0, 1)
    if name == "lr":
        return np.asarray(lr * np.minimum(at / 0.05, 0.5 + 0.5 * np.cos(np.pi * at)))
    if name.endswith("norm"):
        return np.exp(0.4 * noise) * (0.5 + 4 * np.exp(-at * 4))
    if name == "throughput":
        return 1450 + 60 * noise - 400 * (values.random(n) < 0.01)
    if name == "memory_gb":
        return np.round(31 + 2 * at + 0.2 * noise, 2)
    return values.normal() + np.cumsum(noise) / math.sqrt(n)


def _in_halves(
    run_id: str, events: list[Event], keys: list[MetricKey], axes: list[Array], columns: list[Array], start_ms: int
) -> Iterator[tuple[Batch, bool]]:
    """Yield a run's points in two batches, so that the store compacts them as it does with every run that took its time."""
    last = max(int(axis[-1]) for axis in axes)
    parts: list[list[Array]] = [[], []]
    for key, axis, column in zip(keys, axes, columns, strict=True):
        points = np.zeros(len(axis), _POINT)
        points["step"] = axis
        points["time_ms"] = start_ms + axis * 250
        points["value"] = column.astype("<f8").view("<i8")
        points["key"] = key.key
        points["marker"] = _MARKER
        half = (len(axis) + 1) // 2
        parts[0].append(points[:half])
        parts[1].append(points[half:])
    first, second = (np.concatenate(part) for part in parts)
    yield Batch(run_id, "seed", 0, 0, first.tobytes(), events, keys, live=False), False
    final = StatusChanged(RunStatus.COMPLETED, start_ms + last * 250 + 1000)
    yield Batch(run_id, "seed", len(first), len(events), second.tobytes(), [final], keys, live=False), False


def _packed(step: int, time_ms: int, key: int, value: float) -> bytes:
    return POINT.pack(step, time_ms, struct.pack("<d", value), key, _MARKER)


def _run_id(size: str, number: int) -> str:
    return hashlib.md5(f"{size}/{number}".encode(), usedforsecurity=False).hexdigest()
