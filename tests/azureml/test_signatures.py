"""Every parameter of Azure ML v1's classes is ours too, or stands in the documented table of differences.

`signatures.json` has the facts of azureml-core 1.61.0: names, order and defaults; `...` stands for a default that is an
object of v1's own. Ours may take more, after v1's or by keyword.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FACTS = json.loads((HERE / "signatures.json").read_text())
TABLE = HERE.parents[1] / "docs" / "azureml" / "differences.md"


def documented() -> dict[str, str]:
    """Return the reasons of the table of differences by name."""
    return dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|$", TABLE.read_text(), flags=re.MULTILINE))


def found(qualified: str) -> Any:
    module, _, name = qualified.rpartition(".")
    return getattr(importlib.import_module(module), name)


def flaw(function: Any, wanted: list[str]) -> str | None:
    """Return what of v1's parameters a function of ours has not, None when it takes all calls that v1's takes."""
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name not in ("self", "cls")]
    catches_names = any(one.kind is one.VAR_KEYWORD for one in parameters)
    catches_all = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    named = [one for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
    for place, text in enumerate(wanted):
        if text.startswith("**"):
            if not catches_names:
                return f"no {text}"
            continue
        if text.startswith("*"):
            if not catches_all:
                return f"no {text}"
            continue
        name, has_default, default = text.partition("=")
        if place >= len(named) or named[place].name != name:
            return f"parameter {place + 1} is not {name}"
        ours = named[place].default
        if has_default and default != "..." and (ours is inspect.Parameter.empty or repr(_value(ours)) != default):
            return f"default of {name} is {ours!r}, not {default}"
    required = [one.name for one in named[sum(not text.startswith("*") for text in wanted) :] if one.default is one.empty]
    return f"requires {required}" if required else None


def _value(default: Any) -> Any:
    return default.value if hasattr(default, "value") and not isinstance(default, type) else default


def differences() -> dict[str, str]:
    """Return what differs, by name."""
    differing: dict[str, str] = {}
    for qualified, facts in FACTS["classes"].items():
        ours = found(qualified)
        if type(ours).__name__ == "_Outside":
            differing[qualified] = "not in tracklog"
            continue
        checks = {qualified: (ours.__init__, facts["init"])} if facts["init"] not in ([], ["*args", "**kwargs"]) else {}
        for name, wanted in facts["methods"].items():
            function = inspect.getattr_static(ours, name, None)
            if function is None:
                differing[f"{qualified}.{name}"] = "missing"
            else:
                checks[f"{qualified}.{name}"] = (getattr(function, "__func__", function), wanted)
        for name, (function, wanted) in checks.items():
            if (reason := flaw(function, wanted)) is not None:
                differing[name] = reason
        for name, settable in facts["properties"].items():
            one = inspect.getattr_static(ours, name, None)
            if one is None and not _is_attribute(ours, name):
                differing[f"{qualified}.{name}"] = "missing"
            elif settable and isinstance(one, property) and one.fset is None:
                differing[f"{qualified}.{name}"] = "cannot be assigned"
    for qualified, wanted in FACTS["functions"].items():
        if (reason := flaw(found(qualified), wanted)) is not None:
            differing[qualified] = reason
    return differing


def _is_attribute(ours: type, name: str) -> bool:
    """Whether the constructor sets an attribute of that name."""
    return any(f"self.{name}" in inspect.getsource(one.__init__) for one in ours.__mro__[:-1] if "__init__" in vars(one))


def test_every_signature_is_v1s_or_in_the_table() -> None:
    table = documented()
    found_differences = differences()

    assert {name: why for name, why in found_differences.items() if name not in table} == {}
    assert sorted(set(table) - set(found_differences)) == []  # a row that no longer differs misleads


@pytest.mark.parametrize("name", FACTS["exceptions"])
def test_exceptions_have_v1s_place_and_parameters(name: str) -> None:
    ours = getattr(importlib.import_module("azureml.exceptions"), name)
    facts = FACTS["exceptions"][name]
    bases = {base.__name__ for base in ours.__mro__}

    assert {base for base in facts["bases"] if base in FACTS["exceptions"] or base == "Exception"} <= bases
    assert flaw(ours.__init__, facts["init"]) is None
