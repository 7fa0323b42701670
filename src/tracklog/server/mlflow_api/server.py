"""What the server is: version, abilities, and what of MLflow it does not have."""

from __future__ import annotations

from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response

from tracklog.server.mlflow_api.routing import AnyRoute, Context, RawRoute, Route
from tracklog.server.mlflow_api.wire import Request

# The protocol spoken. Clients compare it with their own version to decide what they may ask.
MLFLOW_VERSION = "3.17.2"


class Nothing(Request):
    """A request without fields."""


def server_info(context: Context, request: Nothing) -> object:
    """Return what clients adapt to."""
    return {
        "store_type": "SqlStore",
        "workspaces_enabled": False,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": True,
        "multipart_downloads_enabled": False,
        "presigned_upload_run_id_supported": False,
        "presigned_upload_model_id_supported": False,
        "features_enabled": {"gateway": False},
    }


async def version(context: Context, http: HttpRequest, given: dict[str, str]) -> Response:
    """Answer with the version of MLflow whose protocol this is."""
    return PlainTextResponse(MLFLOW_VERSION)


ROUTES: list[AnyRoute] = [
    Route("GET", "/mlflow/server-info", Nothing, server_info, versions=("3.0", "2.0")),
    RawRoute("GET", "/version", version, prefixed=False),
]
