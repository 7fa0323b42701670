"""Azure ML v1's classes for logging in. All can be made with what scripts give them; nobody is asked to log in."""

from __future__ import annotations

from typing import Any


class AbstractAuthentication:
    """Root of the ways to log in."""

    def get_authentication_header(self) -> dict[str, str]:
        """Return the headers that a request needs: none."""
        return {}

    def get_token(self, *scopes: Any, **kwargs: Any) -> str:
        """Return the token a request needs: none, an empty text."""
        return ""

    def signed_session(self, session: Any = None) -> Any:
        """Return the session as it was given."""
        return session


class TokenAuthentication(AbstractAuthentication):
    """Login by a token that a function gives."""

    def __init__(self, get_token_for_audience: Any, cloud: str = "AzureCloud") -> None: ...


class ArmTokenAuthentication(AbstractAuthentication):
    """Login by a token of Azure's resource manager."""

    def __init__(self, arm_access_token: str, cloud: str = "AzureCloud") -> None: ...

    def update_arm_access_token(self, new_arm_access_token: str) -> None:
        """Take another token."""


class AzureCliAuthentication(AbstractAuthentication):
    """Login by the command line tool of Azure."""

    def __init__(self, cloud: str | None = None) -> None: ...


class AzureMLTokenAuthentication(AbstractAuthentication):
    """Login by the token of a submitted run."""

    def __init__(self, azureml_access_token: str = "", **kwargs: Any) -> None: ...


class InteractiveLoginAuthentication(AbstractAuthentication):
    """Login in the browser."""

    def __init__(self, force: bool = False, tenant_id: str | None = None, cloud: str | None = None) -> None: ...


class MsiAuthentication(AbstractAuthentication):
    """Login by the identity of a machine."""

    def __init__(self, cloud: str | None = None, **kwargs: Any) -> None: ...


class ServicePrincipalAuthentication(AbstractAuthentication):
    """Login by a service's id and password, which are not kept."""

    def __init__(
        self,
        tenant_id: str,
        service_principal_id: str,
        service_principal_password: str,
        cloud: str = "AzureCloud",
        _enable_caching: bool = True,
    ) -> None: ...
