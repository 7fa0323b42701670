"""What a value becomes, case by case, against what azureml-core 1.61.0 did when it was given the same.

`value_cases.json` is that record. Where v1 refused, lost or garbled a value, `DIFFERENT` says what we do, and why; the page
docs/azureml/differences.md has the same list.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tracklog.errors import AzureMLException
from tracklog.sdk import Experiment, Workspace

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "value_cases.json").read_text())
REFUSED = "refused"
NOTHING = "nothing"

# By (call, value): the metric read back, REFUSED (an AzureMLException), or NOTHING (accepted, and nothing is stored).
DIFFERENT: dict[tuple[str, str], Any] = {
    # v1 stored the text of a number.
    ("log", "np.int64(3)"): 3,
    ("log", "np.uint64(3)"): 3,
    ("log", "np.array(3.0)"): 3.0,
    ("log", "decimal.Decimal('1.5')"): 1.5,
    # v1 refused what is a fine list, row or table; several of them only since its 1.59.
    ("log_list", "np.array([1, 2])"): [1, 2],
    ("log_list", "[np.int64(1)]"): 1,
    ("log_row", "{'a': np.int64(1)}"): {"a": 1},
    ("log_row", "{'a': np.array([1])}"): {"a": 1},
    ("log_table", "{'a': np.array([1.0, 2.0])}"): {"a": [1.0, 2.0]},
    ("log_table", "{'a': (1, 2)}"): {"a": [1, 2]},
    ("log_table", "{'a': range(2)}"): {"a": [0, 1]},
    ("log_table", "{'a': [np.int64(1)]}"): {"a": 1},
    # Nothing to log is no error.
    ("log_list", "[]"): NOTHING,
    ("log_table", "{}"): NOTHING,
    ("log_table", "{'a': []}"): NOTHING,
}


def read_back(call: str, value: str, tmp_path: Path) -> Any:
    """Return what `get_metrics` gives after a call with the value, REFUSED or NOTHING."""
    run = Experiment(Workspace(tmp_path), "values").start_logging(snapshot_directory=None, outputs=False)
    given = eval(value, {"np": np, "decimal": decimal, "datetime": dt})  # expressions of our own table
    with run:
        try:
            if call == "log_row":
                run.log_row("m", **given)
            else:
                getattr(run, call)("m", given)
        except AzureMLException as error:
            if len(error.message) <= 20:
                raise  # a refusal must say why
            return REFUSED
        return run.get_metrics().get("m", NOTHING)


def as_v1(case: dict[str, Any]) -> Any:
    """Return what v1's get_metrics gives for the rows it stored."""
    rows = [{name: plain(cell) for name, cell in row.items()} for row in case["rows"]]
    if case["call"] in ("log", "log_list"):
        cells = [row["m"] for row in rows]
        return cells[0] if len(cells) == 1 else cells
    if not rows[0]:
        return NOTHING
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {name: cells[0] if len(cells) == 1 else cells for name, cells in columns.items()}


def plain(cell: Any) -> Any:
    return float(cell["float"]) if isinstance(cell, dict) else cell


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['call']}-{case['value']}" for case in CASES])
def test_a_value_becomes_what_v1_made_of_it_or_something_better(case: dict[str, Any], tmp_path: Path) -> None:
    got = read_back(case["call"], case["value"], tmp_path)
    known = (case["call"], case["value"])
    if known in DIFFERENT:
        assert same(got, DIFFERENT[known]), got
    elif case["outcome"] == "raises":
        assert got == REFUSED
    else:
        assert same(got, as_v1(case)), got
