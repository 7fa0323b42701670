"""Call every kind of logging of an interactive run, read all of it back, and say what differs from what is expected."""

import math
import os
import sys

import matplotlib as mpl
import numpy as np

from azureml.core import Experiment, Run, Workspace

mpl.use("Agg")
import matplotlib.pyplot as plt

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 20

ws = Workspace.from_config()
experiment = Experiment(workspace=ws, name="logging-api-tour")
run = experiment.start_logging()

run.log(name="Category", value="Red")
run.log(name="scale factor", value=2)
run.log(name="Magic Number", value=84)
run.log_list(name="Fibonacci", value=(round(((1 + 5**0.5) / 2) ** n / 5**0.5) for n in range(1, 11)))
for x in np.arange(-10, 10):
    run.log(name="Sigmoid", value=1 / (1 + np.exp(-x)))
for angle in np.linspace(-np.pi, np.pi, 20):
    run.log_row(name="Cosine Wave", angle=angle, cos=np.cos(angle))
angles = [float(a) for a in np.linspace(-np.pi, np.pi, 20)]
run.log_table(name="Sine Wave", value={"angle": angles, "sine": [np.sin(a) for a in angles]})
plt.plot(angles, np.tanh(angles))
run.log_image(name="Hyperbolic Tangent", plot=plt)

names = ["Table A", "Table B", "Table C"]
columns = {f"column{i}": i for i in range(15)}
for name in names:
    for _ in range(ROWS):
        run.log_row(name, "A row of " + name, **columns)

os.makedirs("tour", exist_ok=True)
with open("tour/note.txt", "w") as file:
    file.write("a note of the tour")
run.upload_file(name="tour/note.txt", path_or_stream="tour/note.txt")
run.complete()

again = Run(experiment, run.id)
metrics = again.get_metrics()
assert metrics["Category"] == "Red"
assert metrics["scale factor"] == 2
assert metrics["Fibonacci"] == [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
assert len(metrics["Sigmoid"]) == 20
assert metrics["Sigmoid"][10] == 0.5
assert sorted(metrics["Cosine Wave"]) == ["angle", "cos"]
assert math.isclose(metrics["Cosine Wave"]["cos"][0], -1)
assert metrics["Sine Wave"]["angle"] == angles
assert metrics["Hyperbolic Tangent"].startswith("aml://artifactId/ExperimentRun/dcid." + run.id)
for name in names:
    assert len(metrics[name]) == 15
    assert metrics[name]["column14"] == ([14] * ROWS if ROWS > 1 else 14)
assert again.get_metrics(name="scale factor") == {"scale factor": 2}
assert again.get_metrics(name="no such") == {}

os.makedirs("files", exist_ok=True)
for f in again.get_file_names():
    dest = os.path.join("files", f.split("/")[-1])
    again.download_file(f, dest)
    assert os.path.getsize(dest) > 0, f
assert "tour/note.txt" in again.get_file_names()
with open("files/note.txt") as file:
    assert file.read() == "a note of the tour"

again.tag("My Favorite Run")
again.tag("Competition Rank", 1)
assert again.get_tags() == {"My Favorite Run": None, "Competition Rank": "1"}
print("the tour is over:", run.id)
