"""What `tracklog demo` trains: a ridge sweep and a small network, for real, in a process beside the portal.

    python -m tracklog.demo WORKSPACE [--fast]

The training is an ordinary script that logs through `tracklog.start_run`; it knows of the portal only its address. With
`--fast` it does not pause between steps.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracklog.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np

    from tracklog.sdk import Run

    Array = np.ndarray[Any, Any]

_ALPHAS = 20
_ALPHA_PAUSE_S = 0.15  # 20 runs appear within a few seconds
_STEPS = 4000
_STEP_PAUSE_S = 0.006  # 4,000 steps in half a minute: long enough to watch
_IMAGE_EVERY = 200
_BATCH = 64
_HIDDEN = 32
_STOP_TIMEOUT_S = 10.0


def train_beside(
    folder: Path, *, fast: bool
) -> Callable[[str | None], contextlib.AbstractContextManager[subprocess.Popen[bytes]]]:
    """Return how to start the training in a process of its own, given the portal's address, if any.

    Leaving the block stops the training.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtraError("scikit-learn", "demo", "The demo")

    @contextlib.contextmanager
    def start(url: str | None) -> Iterator[subprocess.Popen[bytes]]:
        # One thread a process is plenty for models of this size, and leaves the machine to the user.
        environment = {**os.environ, "TRACKLOG_QUIET": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [
            sys.executable,
            "-m",
            "tracklog.demo",
            str(folder),
            *(["--fast"] if fast else []),
            *([url] if url else []),
        ]
        # Its own session: Ctrl-C reaches this process alone, which then stops the training once, in good order.
        training = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            yield training
        finally:
            training.terminate()
            try:
                training.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                training.kill()
                training.wait()

    return start


def train(folder: Path, *, url: str | None, fast: bool) -> None:
    """Train both models, one after the other, recording into the workspace `folder`."""
    _sweep_alphas(folder, url, 0.0 if fast else _ALPHA_PAUSE_S)
    _learn_digits(folder, url, 0.0 if fast else _STEP_PAUSE_S)


def _say(url: str | None, run: Run, what: str) -> None:
    print(f"{what}: {url}/runs/{run.id}" if url else f"{what}: run {run.id}", flush=True)


def _sweep_alphas(folder: Path, url: str | None, pause_s: float) -> None:
    """Fit ridge regression to the diabetes data for 20 alphas: a run for each and one for the whole sweep."""
    import numpy as np
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge
    from sklearn.metrics import mean_squared_error, r2_score
    from sklearn.model_selection import train_test_split

    import tracklog

    features, target = load_diabetes(return_X_y=True)
    split = train_test_split(features, target, test_size=0.2, random_state=0)
    train_x, test_x, train_y, test_y = split
    alphas = np.linspace(0.05, 1.0, _ALPHAS).tolist()
    errors: list[float] = []
    with tracklog.start_run("diabetes-ridge", name="sweep", params={"alphas": _ALPHAS, "test_size": 0.2}, uri=folder) as sweep:
        _say(url, sweep, "Ridge sweep over 20 alphas")
        for alpha in alphas:
            name = f"alpha-{alpha:.2f}"
            # Twenty short runs of one process share their circumstances, which the sweep's run has.
            with tracklog.start_run(
                "diabetes-ridge",
                name=name,
                params={"alpha": alpha},
                tags={"sweep": sweep.id},
                capture=False,
                uri=folder,
            ) as run:
                predicted = Ridge(alpha=alpha).fit(train_x, train_y).predict(test_x)
                mse = float(mean_squared_error(test_y, predicted))
                run.log({"mse": mse, "r2": float(r2_score(test_y, predicted))})
                counts, edges = np.histogram(test_y - predicted, bins=20)
                run.log_table("residuals", {"residual": (edges[:-1] + edges[1:]) / 2, "count": counts})
                figure = _residual_figure(predicted, test_y)
                if figure is not None:
                    run.log_image("residuals over prediction", plot=figure)
            errors.append(mse)
            sweep.log_row("mse over alpha", alpha=alpha, mse=mse)
            time.sleep(pause_s)
        sweep.log_list("alphas", alphas)
        sweep.log_list("errors", errors)
        best = int(np.argmin(errors))
        sweep.log("best mse", errors[best])
        sweep.tags["best alpha"] = f"{alphas[best]:.2f}"
    print(f"  best alpha {alphas[best]:.2f}, mean squared error {errors[best]:.1f}", flush=True)


def _residual_figure(predicted: Array, truth: Array) -> Any:
    """Return a plot as a matplotlib figure, None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    figure = Figure(figsize=(4, 3), dpi=100, layout="tight")
    axes = figure.subplots()
    axes.axhline(0, linewidth=1, color="grey")
    axes.scatter(predicted, truth - predicted, s=10)
    axes.set(xlabel="prediction", ylabel="residual")
    return figure


def _learn_digits(folder: Path, url: str | None, pause_s: float) -> None:
    """Train a network of one hidden layer on handwritten digits with plain stochastic gradient descent."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.metrics import precision_recall_fscore_support
    from sklearn.model_selection import train_test_split

    import tracklog

    digits = load_digits()
    split = train_test_split(digits.data / 16.0, digits.target, test_size=0.25, random_state=0)
    train_x, test_x, train_y, test_y = split
    random = np.random.default_rng(0)
    params = {"hidden": _HIDDEN, "batch_size": _BATCH, "lr": 0.3, "steps": _STEPS}
    w1 = random.normal(0, 0.2, (64, _HIDDEN))  # (pixels, hidden)
    w2 = random.normal(0, 0.2, (_HIDDEN, 10))  # (hidden, classes)
    b1, b2 = np.zeros(_HIDDEN), np.zeros(10)

    def forward(x: Array) -> tuple[Array, Array]:
        hidden = np.maximum(x @ w1 + b1, 0)
        scores = hidden @ w2 + b2
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return hidden, scores / scores.sum(axis=1, keepdims=True)

    with tracklog.start_run("sgd-digits", params=params, tags={"model": "mlp"}, uri=folder) as run:
        _say(url, run, f"Network on digits, {_STEPS:,} steps")
        for step in range(_STEPS):
            chosen = random.integers(0, len(train_x), _BATCH)
            x, y = train_x[chosen], train_y[chosen]
            hidden, probabilities = forward(x)
            loss = float(-np.log(probabilities[np.arange(_BATCH), y] + 1e-12).mean())
            slope = probabilities.copy()
            slope[np.arange(_BATCH), y] -= 1
            slope /= _BATCH
            hidden_slope = (slope @ w2.T) * (hidden > 0)
            gradients = (x.T @ hidden_slope, hidden_slope.sum(axis=0), hidden.T @ slope, slope.sum(axis=0))
            lr = 0.15 * (1 + np.cos(np.pi * step / _STEPS))  # cosine from 0.3 to 0
            for weights, gradient in zip((w1, b1, w2, b2), gradients, strict=True):
                np.subtract(weights, lr * gradient, out=weights)
            norm = float(np.sqrt(sum(float((gradient**2).sum()) for gradient in gradients)))
            accuracy = float((probabilities.argmax(axis=1) == y).mean())
            run.log({"train/loss": loss, "train/accuracy": accuracy, "lr": lr, "grad_norm": norm}, step=step)
            if step % _IMAGE_EVERY == 0 or step == _STEPS - 1:
                _, test_probabilities = forward(test_x)
                guess = test_probabilities.argmax(axis=1)
                precision, recall, _, _ = precision_recall_fscore_support(test_y, guess, average="macro", zero_division=0)
                test_accuracy = float((guess == test_y).mean())
                run.log("test/accuracy", test_accuracy, step=step)
                run.log_row("test scores", epoch=step * _BATCH / len(train_x), precision=float(precision), recall=float(recall))
                run.log_image("weights of the first layer", _tiles(w1), step=step)
                sample = int(random.integers(0, len(test_x)))
                run.log_text("sample", _drawn(test_x[sample], int(test_y[sample]), int(guess[sample])), step=step)
                print(f"  step {step:5,}  loss {loss:.4f}  test accuracy {test_accuracy:.3f}", flush=True)
            time.sleep(pause_s)


def _tiles(weights: Array) -> Array:
    """Return the weights of each hidden unit as an 8 × 8 picture, all in one grey image, uint8."""
    import numpy as np

    units = weights.T.reshape(4, _HIDDEN // 4, 8, 8)
    framed = np.zeros((4, _HIDDEN // 4, 9, 9))
    framed[:, :, :8, :8] = np.clip(units / (2 * np.abs(units).max()) + 0.5, 0, 1)
    image = framed.transpose(0, 2, 1, 3).reshape(36, -1)
    pixels: Array = (np.kron(image, np.ones((6, 6))) * 255).astype(np.uint8)
    return pixels


def _drawn(pixels: Array, truth: int, guess: int) -> str:
    """Return a digit drawn with characters, and what it was taken for."""
    rows = ["".join(" ░▒▓█"[min(4, int(value * 5))] * 2 for value in row) for row in pixels.reshape(8, 8).tolist()]
    return "\n".join([f"a {truth}, taken for {guess}", *rows])


if __name__ == "__main__":
    _workspace, *_options = sys.argv[1:]
    _urls = [option for option in _options if option != "--fast"]
    # Being asked to end cancels the run that is being recorded, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        train(Path(_workspace), url=_urls[0] if _urls else None, fast="--fast" in _options)
        if _urls:
            print("Training is done; the portal stays until Ctrl-C.", flush=True)
    except KeyboardInterrupt:
        print("Training stopped.", file=sys.stderr)
        sys.exit(130)
