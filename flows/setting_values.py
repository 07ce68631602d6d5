"""What a setting may be: its bounds, and reading a value out of text, TOML or JSON."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/_+-]{0,31}")
_ON, _OFF = ("on", "true", "yes", "1"), ("off", "false", "no", "0")
_ENDLESS = 1e12  # in units of 1e-6 it still fits the integers the rules compare
_USUAL_SESSIONS = ("regular", "all")  # known good, so that `tail` need not load the calendar


DELAYED_S = 900.0  # by which the vendor's delayed hosts are late
_DELAYED = ("delayed.", "delayed-")


def is_delayed(host: str) -> bool:
    """Return whether a WebSocket host is a delayed one of the vendor's."""
    return (urlsplit(host).hostname or "").startswith(_DELAYED)


@dataclass(frozen=True, slots=True)
class Rule:
    """Help and bounds of one setting. Bounds are inclusive; `floor` names another setting."""

    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    floor: str | None = None
    secret: bool = False
    symbols: bool = False
    sessions: bool = False

    @property
    def bounds(self) -> str:
        """The bounds as a phrase, empty where anything goes."""
        if self.choices:
            return ", ".join(self.choices[:-1]) + f" or {self.choices[-1]}"
        if self.schemes:
            return " or ".join(f"{scheme}://" for scheme in self.schemes)
        if self.low is None:
            return f"at least {self.floor}" if self.floor else ""
        unit = f" {self.unit}" if self.unit else ""
        if self.high is None:
            return f"at least {self.low:g}{unit}"
        return f"between {self.low:g} and {self.high:g}{unit}"


def parse(kind: Any, rule: Rule, value: Any) -> Any:
    """Return `value` as `kind`, within `rule`.

    Args:
        kind: The annotated type of the setting.
        rule: Its bounds.
        value: Text, or what TOML or JSON hold: a number, a boolean or a list.

    Raises:
        ValueError: with the end of a sentence, such as `must be at least 1000 shares`.
    """
    if isinstance(value, str):
        value = value.strip()
    if kind is int or kind is float:
        return _number(kind, rule, value)
    if kind is bool:
        return _switch(value)
    if kind == tuple[str, ...]:
        return _listing(rule, value)
    if not isinstance(value, str):
        raise ValueError("must be text")
    if kind is str:
        return _text(rule, value)
    return Path(value)


def _number(kind: type[int | float], rule: Rule, value: Any) -> int | float:
    if isinstance(value, str):
        try:
            value = float(value.replace("_", ""))
        except ValueError:
            raise ValueError(f"must be a number{_within(rule)}") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"must be a number{_within(rule)}")
    if kind is int and value != int(value):
        raise ValueError(f"must be a whole number{_within(rule)}")
    below = rule.low is not None and value < rule.low
    above = rule.high is not None and value > rule.high
    if below or above:
        raise ValueError(f"must be {rule.bounds}")
    if value > _ENDLESS:
        raise ValueError(f"must be at most {_ENDLESS:g}")
    return kind(value)


def _within(rule: Rule) -> str:
    return f", {rule.bounds}" if rule.low is not None else ""


def _switch(value: Any) -> bool:
    word = str(value).lower()
    if word in _ON:
        return True
    if word in _OFF:
        return False
    raise ValueError("must be on or off")


def _listing(rule: Rule, value: Any) -> tuple[str, ...]:
    """Read a comma list or a list of texts; repeats are dropped, the order is kept."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError("must be a comma list")
    words = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    for word in words:
        if rule.symbols and not _SYMBOL.fullmatch(word):
            raise ValueError(f"must be symbols such as AAPL,BRK.B, which {word!r} is not")
    return words


def _text(rule: Rule, value: str) -> str:
    if rule.choices and value not in rule.choices:
        raise ValueError(f"must be {rule.bounds}")
    if rule.schemes:
        return _url(rule, value)
    if rule.sessions:
        return _sessions(value)
    if rule.secret and not re.fullmatch(r"[!-~]+", value):
        raise ValueError("must be one word of plain characters")
    return value


def _url(rule: Rule, value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in rule.schemes or not parts.hostname:
        raise ValueError(f"must be an address that starts with {rule.bounds}")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must be a bare address: the key has a setting of its own")
    return value.rstrip("/")


def _sessions(value: str) -> str:
    if value in _USUAL_SESSIONS:
        return value
    from operators.sessions import SessionError, parse_sessions

    try:
        parse_sessions(value)
    except SessionError as wrong:
        raise ValueError(str(wrong)) from None
    return value
