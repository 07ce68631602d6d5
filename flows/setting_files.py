"""The two files settings may stand in: `.env` and the config file."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from flows.errors import SettingsError

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(["'])(.*)\1\s*(?:#.*)?""")


def read_env_file(path: Path) -> dict[str, tuple[str, int]]:
    """Read `NAME=value` lines; the last of a name counts.

    `#` starts a comment at the start of a line or after a space; quotes keep a value as it is.

    Returns:
        Name to value and line number; empty without the file.

    Raises:
        SettingsError: the file cannot be read, or a line is not `NAME=value`. The line itself
            is not shown: it may hold the key.
    """
    found: dict[str, tuple[str, int]] = {}
    if not path.is_file():
        return found
    for number, raw in enumerate(_read(path).splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise SettingsError(
                f"{path.name} line {number} is not NAME=value: write it so, or begin it with #."
            )
        found[match[1]] = (_unquoted(match[2]), number)
    return found


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[2]
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"The settings file {path} cannot be read: {why}.") from None


def read_config(path: Path) -> dict[str, Any]:
    """Read the config file: one table of settings by field name, JSON by its suffix, else TOML.

    Raises:
        SettingsError: the file cannot be read or is not one table.
    """
    text = _read(path)
    try:
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as wrong:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise SettingsError(f"{path} (ORDER_FLOW_CONFIG) is not {kind}: {wrong}.") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{path} (ORDER_FLOW_CONFIG) must hold one object of settings.")
    return found
