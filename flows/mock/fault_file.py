"""Fault files: TOML, a `[[fault]]` each, and one sentence for each mistake in them."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from flows.errors import OrderflowError
from flows.mock.faults import KINDS, Fault, LargeFrames

_BEGINNINGS = ("at_s", "after_s", "after_events", "after_requests")
_ENDS = ("for_s", "for_tape_s", "for_events")


class FaultError(OrderflowError):
    """Faults that make no sense: a sentence for each mistake, a line each."""

    exit_code = 2


class FaultFile(msgspec.Struct, frozen=True):
    """A fault file: its faults in order, and the seed of what is left to chance."""

    faults: tuple[Fault, ...]
    seed: int


def read_faults(path: str | Path) -> FaultFile:
    """Return what a fault file says.

    Raises:
        FaultError: it cannot be read, or it has mistakes.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FaultError(f"Cannot read the fault file {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FaultError(f"The fault file {path} is not TOML: {error}.") from error
    wrong = [
        f"The fault file has `seed` and `[[fault]]`, not `{name}`."
        for name in content
        if name not in ("seed", "fault")
    ]
    seed, entries = content.get("seed", 0), content.get("fault", [])
    if type(seed) is not int:
        wrong.append(f"`seed` must be a whole number, not {seed!r}.")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        wrong.append("Each fault begins with a line `[[fault]]`.")
        entries = []
    wrong += [mistake for n, entry in enumerate(entries, 1) for mistake in mistakes(entry, n)]
    if wrong:
        raise FaultError("\n".join(wrong))
    return FaultFile(tuple(msgspec.convert(entry, KINDS[entry["kind"]]) for entry in entries), seed)


def check_faults(faults: Sequence[Fault]) -> None:
    """Hold faults made in Python to what is demanded of a file.

    Raises:
        FaultError: they have mistakes.
    """
    wrong = [
        mistake
        for n, fault in enumerate(faults, 1)
        for mistake in mistakes(msgspec.to_builtins(fault), n)
    ]
    if wrong:
        raise FaultError("\n".join(wrong))


def mistakes(entry: dict[str, Any], number: int) -> Iterable[str]:
    """Yield a sentence for each mistake of the `number`-th fault."""
    name = entry.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        yield f"Fault {number}: there is no kind {name!r}; {_instead(str(name), KINDS)}"
        return
    where = f"Fault {number} ({name})"
    hints = get_type_hints(kind, include_extras=True)
    fields = kind.__struct_fields__
    for field, value in entry.items():
        if field == "kind":
            continue
        if field not in fields:
            yield f"{where}: there is no `{field}`; {_instead(field, fields)}"
            continue
        try:
            msgspec.convert(value, hints[field])
        except msgspec.ValidationError as error:
            yield f"{where}: `{field}` is {value!r}, but {_demand(hints[field], error)}."
    yield from _contradictions(where, entry)


def _contradictions(where: str, entry: dict[str, Any]) -> Iterable[str]:
    for verb, names in (("begins", _BEGINNINGS), ("ends", _ENDS)):
        given = [name for name in names if entry.get(name) is not None]
        if len(given) > 1:
            yield f"{where}: it {verb} once: {' or '.join(f'`{name}`' for name in given)}."
    least, most = entry.get("least", LargeFrames().least), entry.get("most", LargeFrames().most)
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield f"{where}: `least` ({least}) is more than `most` ({most})."


def _demand(hint: Any, error: msgspec.ValidationError) -> str:
    choices = [str(value) for part in (hint, *get_args(hint)) for value in _literals(part)]
    if choices:
        return f"it can be {', '.join(choices)}"
    return str(error).replace("Expected", "must be")


def _literals(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()


def _instead(wrong: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(wrong, list(names), 1)
    return f"is it `{close[0]}`?" if close else f"there are {', '.join(names)}."
