"""The errors of `azureml.exceptions`, by which scripts written for Azure ML v1 catch what goes wrong.

Their roots, `AzureMLException` and `UserErrorException`, stand in `tracklog.errors` below everything that raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracklog.errors import AzureMLException, UserErrorException

__all__ = [
    "ActivityFailedException",
    "AuthenticationException",
    "AzureMLAggregatedException",
    "AzureMLException",
    "ComputeTargetException",
    "DatasetTimestampMissingError",
    "DiscoveryUrlNotFoundException",
    "ExperimentExecutionException",
    "ModelNotFoundException",
    "ModelPathNotFoundException",
    "ParallelRunException",
    "ProjectSystemException",
    "RunConfigurationException",
    "RunEnvironmentException",
    "ServiceException",
    "SnapshotException",
    "TrainingException",
    "UserErrorException",
    "WebserviceException",
    "WorkspaceException",
    "WorkspacePrivateEndpointException",
]


class ActivityFailedException(AzureMLException):
    """A run that was waited for has failed. `error_details` is its error, as JSON text."""

    def __init__(self, error_details: Any, **kwargs: Any) -> None:
        super().__init__(f"Activity Failed:\n{error_details}", **kwargs)
        self.error_details = error_details


class AuthenticationException(UserErrorException):
    """Signing in failed."""


class AzureMLAggregatedException(AzureMLException):
    """Several errors at once: `exceptions`."""

    def __init__(self, exceptions_list: Sequence[BaseException], **kwargs: Any) -> None:
        super().__init__("\n".join(str(error) for error in exceptions_list), **kwargs)
        self.exceptions = list(exceptions_list)


class ComputeTargetException(AzureMLException):
    """A compute target is not there or cannot be used."""


class DatasetTimestampMissingError(AzureMLException):
    """A dataset has no timestamp column."""

    def __init__(self, error_details: Any, **kwargs: Any) -> None:
        super().__init__(str(error_details), **kwargs)
        self.error_details = error_details


class DiscoveryUrlNotFoundException(AzureMLException):
    """A service's address is unknown."""

    def __init__(self, discovery_key: str, **kwargs: Any) -> None:
        super().__init__(f"No address is known for {discovery_key}.", **kwargs)


class ExperimentExecutionException(AzureMLException):
    """A run could not be executed, or waiting for it was interrupted."""


class ModelNotFoundException(AzureMLException):
    """No such model."""

    def __init__(self, exception_message: str, logger: Any = None, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class ModelPathNotFoundException(AzureMLException):
    """A model's file is not where it was said to be."""

    def __init__(self, exception_message: str, logger: Any = None, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class ParallelRunException(AzureMLException):
    """A parallel run failed."""

    def __init__(self, exception_message: str, code: Any = None, delay_seconds: float = 0, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)
        self.code = code
        self.delay_seconds = delay_seconds


class ProjectSystemException(AzureMLException):
    """A project's files cannot be used."""


class RunConfigurationException(AzureMLException):
    """A run's configuration cannot be used."""


class RunEnvironmentException(AzureMLException):
    """The script was not started as a submitted run."""

    def __init__(self, exception_message: str = "The script was not started as a submitted run.", **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class ServiceException(AzureMLException):
    """A server refused. `status_code` is its HTTP status, None when it did not answer."""

    def __init__(self, error_response_exception: Any, **kwargs: Any) -> None:
        super().__init__(str(error_response_exception), **kwargs)
        self.status_code = getattr(error_response_exception, "status", None)


class SnapshotException(AzureMLException):
    """A snapshot could not be taken."""


class TrainingException(AzureMLException):
    """A training could not be set up."""


class WebserviceException(AzureMLException):
    """A web service, or a model, could not be used."""

    def __init__(self, exception_message: str, status_code: int | None = None, logger: Any = None, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)
        self.status_code = status_code


class WorkspaceException(AzureMLException):
    """A workspace could not be used."""

    def __init__(self, exception_message: str, found_multiple: bool = False, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)
        self.found_multiple = found_multiple


class WorkspacePrivateEndpointException(WorkspaceException):
    """A private endpoint could not be used."""
