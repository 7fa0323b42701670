"""No mistake of a client is answered with 5xx: its clients would try again for minutes."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from mlflow import MlflowClient

from tests.mlflow.conftest import Raw
from tracklog.server.mlflow_api import MODULES
from tracklog.server.mlflow_api.routing import Route

ROUTES = [route for module in MODULES for route in module.ROUTES if isinstance(route, Route)]
ODD: list[Any] = [
    True,
    0,
    -1,
    1.5,
    2**70,
    -(2**70),
    "",
    " ",
    "x",
    "\x00",
    "\ud800",
    "../x",
    "x" * 3000,
    "5",
    [],
    [None],
    [1, "a"],
    [{}],
    [{"key": 1}],
    {},
    {"a": {"b": []}},
]


@pytest.fixture(scope="module")
def known(server: Any) -> dict[str, Any]:
    """Values that are right, so that a request comes as far as the one that is not."""
    client = MlflowClient(server.url, server.url)
    name = f"mistakes-{id(client)}"
    experiment = client.create_experiment(name)
    run = client.create_run(experiment).info.run_id
    client.log_metric(run, "m", 1)
    client.create_registered_model(name)
    client.create_model_version(name, f"runs:/{run}/model", run_id=run)
    return {
        "experiment_id": experiment,
        "experiment_ids": [experiment],
        "experiment_name": name,
        "run_id": run,
        "run_ids": [run],
        "name": name,
        "version": "1",
        "key": "k",
        "value": "1",
        "alias": "a",
        "stage": "Staging",
        "metric_key": "m",
        "timestamp": 1,
        "max_results": 5,
        "model_id": "m-" + "0" * 32,
        "trace_id": "tr-1",
        "request_id": "tr-1",
        "tag_key": "k",
        "source": f"runs:/{run}/model",
        "new_name": name + "-new",
        "status": "FINISHED",
        "model_json": "{}",
    }


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_an_odd_value_anywhere_is_the_clients_mistake(raw: Raw, known: dict[str, Any], route: Route[Any]) -> None:
    fields = [field.name for field in msgspec.structs.fields(route.request)]
    right = {name: known[name] for name in fields if name in known}
    path = f"/api/{route.versions[0]}{route.path}"
    for name in fields:
        for odd in ODD:
            given = {**right, name: odd}
            address = path
            for placeholder in fields:
                part = given.get(placeholder)
                address = address.replace("{" + placeholder + "}", _quoted(part if isinstance(part, str) and part else "x"))
            body = None
            if route.method == "GET":
                address += "?" + urlencode({key: _text(value) for key, value in given.items()}, doseq=True)
            else:
                body = json.dumps(given).encode()

            answer, said = raw.ask(route.method, address, body, {} if body is None else {"Content-Type": "application/json"})

            assert answer.status < 500, (name, odd, said)
            if answer.status >= 400:
                assert set(json.loads(said)) == {"error_code", "message"}, said


def _text(value: Any) -> Any:
    if isinstance(value, list):
        return [_text(one) for one in value]
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")
