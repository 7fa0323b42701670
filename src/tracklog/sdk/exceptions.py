"""The names of `azureml.exceptions`: what scripts for Azure ML v1 catch, and what libraries raise under these names.

AzureMLException
├── UserErrorException
│   └── AuthenticationException
├── ActivityFailedException            a run that was waited for has failed
├── AzureMLAggregatedException         several errors at once; `.exceptions`
├── ComputeTargetException             no such compute target
├── DatasetTimestampMissingError
├── DiscoveryUrlNotFoundException
├── ExperimentExecutionException       a run could not be submitted, or watching it was interrupted
├── ModelNotFoundException
├── ModelPathNotFoundException         the run has no such file
├── ParallelRunException               `.code`, `.delay_seconds`
├── ProjectSystemException
├── RunConfigurationException
├── RunEnvironmentException            there is no submitted run around this process
├── ServiceException                   the store or the server answered with an error; `.status_code`
├── SnapshotException
├── TrainingException
├── WebserviceException                `.status_code`
└── WorkspaceException                 `.found_multiple`
    └── WorkspacePrivateEndpointException

Parameters are v1's. Errors of tracklog itself are in `tracklog.errors`; they have the same root.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

from tracklog.errors import AzureMLException, ServiceException, UserErrorException

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
    """A run that was waited for has failed. `error_details` is its `get_details()["error"]`, or text."""

    def __init__(self, error_details: Any, **kwargs: Any) -> None:
        text = error_details if isinstance(error_details, str) else json.dumps(error_details, indent=4, default=str)
        super().__init__(f"Activity Failed:\n{text}", **kwargs)
        self.error_details = error_details


class AuthenticationException(UserErrorException):
    """The caller could not be identified."""

    def __init__(self, exception_message: str, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class AzureMLAggregatedException(AzureMLException):
    """Several errors of things done together, in `exceptions`."""

    def __init__(self, exceptions_list: Iterable[BaseException], **kwargs: Any) -> None:
        self.exceptions = list(exceptions_list)
        texts = [getattr(error, "message", None) or str(error) or type(error).__name__ for error in self.exceptions]
        super().__init__("\n".join(texts), **kwargs)


class ComputeTargetException(AzureMLException):
    """There is no such compute target, or it cannot be made."""

    def __init__(self, exception_message: str, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class DatasetTimestampMissingError(AzureMLException):
    """A dataset has no timestamp column where one is needed."""

    def __init__(self, error_details: Any, **kwargs: Any) -> None:
        super().__init__(str(error_details), **kwargs)
        self.error_details = error_details


class DiscoveryUrlNotFoundException(AzureMLException):
    """The address of a service is not known."""

    def __init__(self, discovery_key: str, **kwargs: Any) -> None:
        super().__init__(f"No discovery address is set under `{discovery_key}`.", **kwargs)
        self.discovery_key = discovery_key


class ExperimentExecutionException(AzureMLException):
    """A run could not be submitted, or watching it was interrupted."""

    def __init__(self, exception_message: str, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class ModelNotFoundException(AzureMLException):
    """There is no such model."""

    def __init__(self, exception_message: str, logger: logging.Logger | None = None, **kwargs: Any) -> None:
        _report(exception_message, logger)
        super().__init__(exception_message, **kwargs)


class ModelPathNotFoundException(AzureMLException):
    """The files that should become a model do not exist."""

    def __init__(self, exception_message: str, logger: logging.Logger | None = None, **kwargs: Any) -> None:
        _report(exception_message, logger)
        super().__init__(exception_message, **kwargs)


class ParallelRunException(AzureMLException):
    """Work in parallel has failed; `delay_seconds` is how long to wait before the next try."""

    def __init__(self, exception_message: str, code: int | None = None, delay_seconds: int = 0, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)
        self.code = code
        self.delay_seconds = delay_seconds


class ProjectSystemException(AzureMLException):
    """A source folder or its configuration cannot be used."""

    def __init__(self, exception_message: str, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class RunConfigurationException(AzureMLException):
    """A run configuration cannot be read or makes no sense."""

    def __init__(self, exception_message: str, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class RunEnvironmentException(AzureMLException):
    """There is no submitted run around this process."""

    def __init__(self, **kwargs: Any) -> None:
        message = kwargs.pop(
            "exception_message",
            "This process was not started as a submitted run. Start it with `tracklog run <script>`, "
            "or make a run with `experiment.start_logging()`.",
        )
        super().__init__(message, **kwargs)


class SnapshotException(AzureMLException):
    """A snapshot cannot be taken, or there is none."""

    def __init__(self, exception_message: str, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class TrainingException(AzureMLException):
    """An estimator or a hyperparameter sweep cannot be run."""

    def __init__(self, exception_message: str, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)


class WebserviceException(AzureMLException):
    """A model or web service cannot be used; `status_code` is that of the HTTP answer, if there was one."""

    def __init__(
        self,
        exception_message: str,
        status_code: int | None = None,
        logger: logging.Logger | None = None,
        **kwargs: Any,
    ) -> None:
        _report(exception_message, logger)
        super().__init__(exception_message, **kwargs)
        self.status_code = status_code


class WorkspaceException(AzureMLException):
    """There is no such workspace, or there are several: `found_multiple`."""

    def __init__(self, exception_message: str, found_multiple: bool = False, **kwargs: Any) -> None:
        super().__init__(exception_message, **kwargs)
        self.found_multiple = found_multiple


class WorkspacePrivateEndpointException(WorkspaceException):
    """A private endpoint of a workspace cannot be used."""


def _report(message: str, logger: logging.Logger | None) -> None:
    if logger is not None:
        logger.error(message)
