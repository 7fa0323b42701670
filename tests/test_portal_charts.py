"""The charts in a real browser: every kind of panel driven once as a person would, on data with a shape and on bad data."""

from __future__ import annotations

import io
import json
import math
import struct
import wave
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import tracklog
from tests.batches import T0_MS, Writer
from tests.servers import RunningServer, serve
from tracklog.records import DType, MetricKey, MetricKind
from tracklog.storage.local import LocalStore

pytestmark = pytest.mark.browser

STEPS = 6_000  # more than a chart has pixels: buckets
RUNS = ("net-2", "net-10", "net-9", "base-1")  # in this order they started; by nature 2 comes before 10


def fill(workspace: Path) -> None:
    """Four runs of two learning rates that log something of every kind there is."""
    random = np.random.default_rng(5)
    for number, name in enumerate(RUNS):
        lr = 0.1 if number % 2 == 0 else 0.01
        params = {"lr": lr, "seed": number // 2, "optimizer": "adamw" if number < 3 else "sgd", "width": 2**number}
        with tracklog.start_run("nets", name=name, params=params, uri=workspace) as run:
            noise = random.normal(0, 0.05, STEPS)
            for step in range(STEPS):
                loss = 2.2 * math.exp(-step / (900 + 200 * number)) + 0.1 * number + 0.2 + float(noise[step])
                run.log({"train/loss": loss + (3.0 if step == 2_345 else 0.0), "train/accuracy": 1 - loss / 3}, step=step)
                if step % 20 == 0:
                    run.log("train/grad_norm", 10 ** (2 - 5 * step / STEPS + float(noise[step])), step=step)
                if step % 1_000 == 0:
                    run.log("val/loss", loss + 0.1, step=step)
            _log_charts(run, number, random)
            _keep_files(run, number)


def _log_charts(run: tracklog.Run, number: int, random: np.random.Generator) -> None:
    labels = ["cat", "dog", "heron"]
    for epoch in range(6):
        run.log_row(
            "per epoch", epoch=epoch, column2=0.5 + epoch / 10, column10=0.4 + epoch / 12 + number / 20, column1=0.1 * epoch
        )
        run.log_histogram("weights/layer1", random.normal(0, 0.4 + epoch / 5, 2_000), step=epoch * 100, bins=32)
        run.log_image("samples", _picture(epoch, number), step=epoch * 100)
        run.log_text("answer", f"After {epoch} epochs the answer of {run.name} is {40 + epoch}.", step=epoch * 100)
    for item in range(4):
        run.log_row(
            "cases", id=item, text=f"case {item}", verdict="right" if item % 2 == number % 2 else "wrong", score=item / 4 + number
        )
    run.log_confusion_matrix(
        "confusion", {"class_labels": labels, "matrix": [[30 + number, 5, 2], [4, 25, 1], [0, 3, 40 - number]]}
    )
    run.log_accuracy_table("rates", _accuracy_table(labels, number))
    edges = np.linspace(-3, 3, 21)
    run.log_residuals("residuals", {"bin_edges": edges, "bin_counts": np.exp(-((edges[:-1] - number / 5) ** 2)) * 100})
    run.log_predictions(
        "predictions",
        {
            "bin_averages": edges[:-1] + number / 10,
            "bin_errors": np.full(20, 0.3),
            "bin_counts": np.arange(20),
            "bin_edges": edges,
        },
    )
    run.log("score", 0.5 + number / 10)


def _picture(epoch: int, number: int) -> np.ndarray:
    rows, columns = np.mgrid[0:48, 0:48]
    return np.uint8(np.clip(128 + 100 * np.sin(rows / (3 + epoch)) * np.cos(columns / (4 + number)), 0, 255))


def _accuracy_table(labels: list[str], number: int) -> dict[str, object]:
    thresholds = [at / 20 for at in range(21)]
    tables = []
    for index in range(len(labels)):
        sharp = 2 + index + number
        found = [(1 - at) ** (1 / sharp) for at in thresholds]
        false = [(1 - at) ** sharp for at in thresholds]
        tables.append(
            [
                [round(100 * a), round(200 * b), 200 - round(200 * b), 100 - round(100 * a)]
                for a, b in zip(found, false, strict=True)
            ]
        )
    return {
        "probability_tables": tables,
        "percentile_tables": tables,
        "probability_thresholds": thresholds,
        "percentile_thresholds": thresholds,
        "class_labels": labels,
    }


def _keep_files(run: tracklog.Run, number: int) -> None:
    for at in range(3):
        run.upload_file(f"media/tone-{at}.wav", io.BytesIO(_tone(220 * (at + 1 + number))))
    script = "document.body.append('ran'); top.document.title = 'broken in'; fetch('/api/v1/experiments')"
    run.upload_file("media/report.html", io.BytesIO(f"<h1>Report of {run.name}</h1><script>{script}</script>".encode()))
    figure = {
        "data": [
            {"type": "scatter", "name": "tried", "x": [1, 2, 3], "y": [2, 1, 3 + number]},
            {"type": "bar", "name": "kept", "x": [1, 2, 3], "y": [1, 1, 2]},
        ],
        "layout": {"title": {"text": "Tried and kept"}, "xaxis": {"title": {"text": "round"}}},
    }
    run.upload_file("media/chart.plotly.json", io.BytesIO(json.dumps(figure).encode()))
    run.upload_file("media/notes.txt", io.BytesIO(b"one\ntwo <b>three</b>\n"))


def _tone(hertz: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8_000)
        out.writeframes(
            b"".join(struct.pack("<h", round(9_000 * math.sin(2 * math.pi * hertz * i / 8_000))) for i in range(4_000))
        )
    return file.getvalue()


MARKUP = "<img src=x onerror=alert(1)> & <b>bold</b>"
RIGHT_TO_LEFT = "שגיאת אימון/\u202eהפסד"
LONG = "stage/" + "a_name_of_three_hundred_characters_" * 8 + "end.weight"
LAYERS = [f"gradients/transformer.encoder.layer.{layer}.attention.output.weight" for layer in (1, 2, 10)]
TEXTS = 30_000  # more than a panel walks through


def fill_odd(workspace: Path) -> None:
    """One run with everything that charts trip over, and one more to stand beside it."""
    with closing(LocalStore(workspace, clock_ms=lambda: T0_MS)) as store:
        for number in range(2):
            run = Writer(f"odd-{number}", experiment="odd").start(
                name=("odd", MARKUP)[number], start_ms=T0_MS, params={"n": number}
            )
            series = {
                "odd/nan": [math.nan] * 20,
                "odd/infinite": [1.0, math.inf, 2.0, -math.inf, math.nan, 1.5, math.inf],
                "odd/one": [3.25],
                "odd/two": [1.0, 2.0],
                "odd/huge": [-1e308, 1e308, 5e307, math.inf, 1.7e308],
                "odd/tiny": [1e-308, 5e-308, 3e-308, 0.0],
                "odd/wide": [10.0**power for power in range(-300, 301, 30)],
                "odd/signed": [math.sin(at / 5) * 10 for at in range(60)],
                "odd/constant": [7.0] * 50,
                "odd/huge constant": [1e20 + 1] * 50,
                MARKUP: [1.0, 2.0, 1.0],
                RIGHT_TO_LEFT: [3.0, 2.0, 1.0],
                LONG: [0.0, 1.0, 0.5],
                **{name: [float(at + number) for at in range(5)] for name in LAYERS},
            }
            for name, values in series.items():
                for step, value in enumerate(values):
                    run.log(name, value, 0 if name == "odd/one" else step * 100)
            # Named before its first point, as a program may do that then dies.
            run.add(MetricKey(900, "odd/none", "", MetricKind.SCALAR, DType.FLOAT, ""))
            store.apply(run.batch(live=False))
            for step in range(TEXTS if number == 0 else 3):
                run.log("odd/texts", f"text {step} {MARKUP if step % 2 == 0 else 'שלום'}", step)
            store.apply(run.finish().batch(live=False))


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server over runs of every kind of chart."""
    workspace = tmp_path_factory.mktemp("charts") / "w"
    fill(workspace)
    fill_odd(workspace)
    with serve(workspace) as server:
        yield server
