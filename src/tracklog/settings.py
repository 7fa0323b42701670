"""Settings, read once into a frozen object: argument, then environment, then default.

The table in docs/reference/settings.md is made from `Settings`' fields.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from tracklog.errors import InvalidValueError, shown

USUAL_PORTAL = "http://127.0.0.1:7777"  # where `tracklog ui` opens the portal, unless another program has that port
CAPTURES = ("command", "git", "python", "packages", "host", "console", "logging", "system")


@dataclass(frozen=True)
class Settings:
    """What a process of tracklog goes by."""

    uri: str = field(metadata={"env": "TRACKLOG_URI", "doc": "Folder or http(s):// address of the workspace."})
    journals: Path = field(metadata={"env": "TRACKLOG_JOURNALS", "doc": "Folder of the journals of running runs."})
    capture: frozenset[str] = field(
        metadata={
            "env": "TRACKLOG_CAPTURE",
            "doc": "What runs capture by themselves: `all`, `none`, or some of " + ", ".join(f"`{c}`" for c in CAPTURES) + ".",
        }
    )
    quiet: bool = field(default=False, metadata={"env": "TRACKLOG_QUIET", "doc": "`1`: print no line about a run."})
    embed_origins: tuple[str, ...] = field(
        default=(),
        metadata={
            "env": "TRACKLOG_EMBED_ORIGINS",
            "doc": "Whose pages may show `/embed/…` of a server in a frame: origins such as `https://wiki.example.org`, apart by "
            "spaces or commas.",
        },
    )

    @classmethod
    def read(cls, uri: str | os.PathLike[str] | None = None) -> Settings:
        """Return the settings in force for a workspace address, or for the default workspace.

        Raises:
            InvalidValueError: an environment variable has a value that cannot be used.
        """
        address = normal_uri(uri) if uri is not None else default_uri()
        journals = os.environ.get("TRACKLOG_JOURNALS")
        return cls(
            uri=address,
            journals=Path(journals).expanduser().absolute() if journals else journals_folder(address),
            capture=chosen_captures(os.environ.get("TRACKLOG_CAPTURE", "all")),
            quiet=os.environ.get("TRACKLOG_QUIET", "") not in ("", "0"),
            embed_origins=tuple(os.environ.get("TRACKLOG_EMBED_ORIGINS", "").replace(",", " ").split()),
        )


def is_remote(uri: str) -> bool:
    """Whether an address is that of a server."""
    return uri.startswith(("http://", "https://"))


def normal_uri(uri: str | os.PathLike[str]) -> str:
    """Return an address in its one form: an absolute folder, or a server's address without a slash at the end."""
    text = os.fspath(uri)
    if not text.strip() or "\x00" in text:
        raise InvalidValueError(
            f"Cannot use {shown(uri)} as a workspace. Expected a folder or an http(s):// address.",
            parameter="uri",
            given=uri,
        )
    if is_remote(text):
        return text.rstrip("/")
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    return str(Path(text).expanduser().absolute()) if "://" not in text else text


def default_uri() -> str:
    """Return `TRACKLOG_URI`, else the workspace that Azure ML v1's configuration file names, else the nearest `.tracklog`
    folder upward from here, else `~/.tracklog`.
    """
    given = os.environ.get("TRACKLOG_URI")
    if given:
        return normal_uri(given)
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the working directory was removed under us
        here = Path.home()
    if (config := azure_config(here)) is not None:
        return named_uri(config["workspace_name"])
    for folder in (here, *here.parents):
        if (folder / ".tracklog").is_dir():
            return str(folder / ".tracklog")
    return str(Path.home() / ".tracklog")


def named_uri(name: str) -> str:
    """Return where the workspace of a name lies that a configuration file of Azure ML v1 asks for."""
    if not re.fullmatch(r"[A-Za-z0-9][\w-]{0,254}", name):
        raise InvalidValueError(
            f"Cannot use {shown(name)} as the name of a workspace. Expected letters, digits, _ and -, a letter or digit first.",
            parameter="workspace_name",
            given=name,
        )
    return str(Path.home() / ".tracklog" / "workspaces" / name)


def azure_config(start: Path, file_name: str | None = None) -> dict[str, str] | None:
    """Return `subscription_id`, `resource_group` and `workspace_name` of the configuration file that Azure ML v1 would find:
    `start` itself, or upward from that folder in `.azureml`, `aml_config` and the folder itself. None: there is none.
    """
    if start.is_file():
        return _azure_fields(start)
    names = (file_name,) if file_name else ("config.json", "project.json")
    for folder in (start, *start.parents):
        for place in (folder / ".azureml", folder / "aml_config", folder):
            for name in names:
                if (place / name).is_file() and (fields := _azure_fields(place / name)) is not None:
                    return fields
    return None


def _azure_fields(file: Path) -> dict[str, str] | None:
    """Return the fields of either of v1's formats; None for a file of something else, as many are called config.json."""
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    if isinstance(found.get("Scope"), str):
        parts = found["Scope"].strip("/").split("/")
        found = dict(zip((part.lower() for part in parts[::2]), parts[1::2], strict=False))
        found = {
            "subscription_id": found.get("subscriptions"),
            "resource_group": found.get("resourcegroups"),
            "workspace_name": found.get("workspaces"),
        }
    fields = {name: found.get(name) for name in ("subscription_id", "resource_group", "workspace_name")}
    return {name: str(value) for name, value in fields.items()} if all(fields.values()) else None


def journals_folder(uri: str) -> Path:
    """Return where journals for a workspace lie: in its folder, or in the user's state folder for a server."""
    if not is_remote(uri) and "://" not in uri:
        return Path(uri) / "journals"
    return _state_folder() / "journals"


def assets_folder(uri: str) -> Path:
    """Return where datastores, data sets and compute targets of a workspace lie: in its folder, or, for a server, in the
    user's state folder, since they stand for files and processors of this machine.
    """
    if not is_remote(uri):
        return Path(uri)
    address = re.sub(r"[^A-Za-z0-9.-]", lambda found: f"_{ord(found[0]):x}_", uri.partition("://")[2])
    return _state_folder() / "workspaces" / address


def _state_folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "tracklog"


def chosen_captures(choice: object) -> frozenset[str]:
    """Return what to capture: True or "all", False or "none", or some names of `CAPTURES` (text with commas, or many)."""
    if choice is True or choice == "all":
        return frozenset(CAPTURES)
    if choice is False or choice is None or choice in ("none", ""):
        return frozenset()
    names = choice.replace(",", " ").split() if isinstance(choice, str) else choice
    if not isinstance(names, (list, tuple, set, frozenset)) or not set(names) <= set(CAPTURES):
        raise InvalidValueError(
            f"Cannot capture {shown(choice)}. Expected True, False, or some of {', '.join(CAPTURES)}.",
            parameter="capture",
            given=choice,
        )
    return frozenset(names)
