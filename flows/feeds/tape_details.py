"""What only trades have, from the columns of a tape: id, class, venue and lateness."""

from __future__ import annotations

from typing import Any

import numpy as np

from flows.feeds.tape_stream import NOTHING, Batch, Lists, Texts
from operators.kernels import kernel, step
from operators.ticks import (
    DETAIL,
    ID_NUMBER,
    ID_ROW,
    ID_TEXT,
    LATENESS_UNKNOWN,
    MAX_LATENESS_MS,
    MS,
    Array,
)
from operators.values import trade_id
from operators.verdicts import REGULAR, SWEEP, UNKNOWN_CONDITION, UnknownConditions, class_table

LONGEST_NUMBER = 18  # digits of an id that is kept as a number
NO_ID = -(2**63)  # in a column of whole numbers
ZERO = 48
_CLASSES = class_table()


@step
def _plain_number(data: Array, start: int, end: int) -> int:
    """Return the number a text spells as people do, or -1: any other text."""
    if not 0 < end - start <= LONGEST_NUMBER or (data[start] == ZERO and end - start > 1):
        return -1
    number = 0
    for k in range(start, end):
        digit = int(data[k]) - ZERO
        if not 0 <= digit <= 9:
            return -1
        number = 10 * number + digit
    return number


@kernel
def _put_ids(ends: Array, data: Array, details: Array) -> int:
    """Read ids that are plain numbers; return how many are spelled otherwise."""
    others = 0
    for i in range(len(details)):
        start, end = ends[i], ends[i + 1]
        number = _plain_number(data, start, end)
        detail = details[i]
        detail["trade_id"] = max(number, 0)
        detail["id_kind"] = ID_NUMBER if number >= 0 else ID_ROW if start == end else ID_TEXT
        if number < 0 and start < end:
            others += 1
    return others


@kernel
def _put_classes(
    ends: Array, values: Array, valid: Array, classes: Array, details: Array
) -> int:  # fmt: skip
    """Read sale conditions: the strictest class, and whether 14 is one; return unknown ones."""
    unknown = 0
    for i in range(len(details)):
        strictest, sweep = REGULAR, 0
        for k in range(ends[i], ends[i + 1]):
            condition = values[k]
            known = 0 <= condition < len(classes)
            if len(valid) and not (valid[k >> 3] >> (k & 7)) & 1:
                known = False
            found = classes[condition] if known else UNKNOWN_CONDITION
            if found == UNKNOWN_CONDITION:
                unknown += 1
            if found != REGULAR and (strictest == REGULAR or found < strictest):
                strictest = found
            if condition == SWEEP:
                sweep = 1
        details[i]["sale_class"] = strictest
        details[i]["sweep"] = sweep
    return unknown


@kernel
def _put_lateness(ts_ns: Array, participant_ns: Array, details: Array) -> None:
    """Whole milliseconds from the participant's time, 0 where it is not known, to the SIP's."""
    for i in range(len(details)):
        if participant_ns[i] != 0:
            late = ts_ns[i] // MS - participant_ns[i] // MS
            details[i]["lateness_ms"] = min(max(late, -MAX_LATENESS_MS), MAX_LATENESS_MS)


def details_of(batch: Batch, unknown: UnknownConditions) -> tuple[Array, dict[int, str]]:
    """Return the details of a batch of trades, and the texts of ids that are no plain numbers.

    Args:
        batch: `ts_ns` and those of `id`, `conditions`, `exchange`, `trf`, `participant_ns` and
            `stated_side` that the tape has.
        unknown: Told of sale conditions.
    """
    details = np.zeros(len(batch["ts_ns"]), DETAIL)
    details["lateness_ms"] = LATENESS_UNKNOWN
    for column in ("exchange", "trf", "stated_side"):
        if column in batch:
            details[column] = batch[column]
    if "participant_ns" in batch:
        _put_lateness(batch["ts_ns"], batch["participant_ns"], details)
    if "conditions" in batch:
        lists: Lists = batch["conditions"]
        if _put_classes(*lists, _CLASSES, details):
            unknown.meet(_distinct(lists))
    return details, _name_ids(batch.get("id"), details)


def _distinct(lists: Lists) -> list[int]:
    """Return the conditions of a batch, each once; a null is -1."""
    values = lists.values
    if len(lists.valid):
        bits = np.unpackbits(lists.valid, count=len(values), bitorder="little")
        values = np.where(bits == 1, values, -1)
    found: list[int] = np.unique(values).tolist()
    return found


def _name_ids(ids: Any, details: Array) -> dict[int, str]:
    if ids is None:
        return {}
    if not isinstance(ids, Texts):
        details["trade_id"] = ids
        plain = (ids >= 0) & (ids < 10**LONGEST_NUMBER)
        details["id_kind"] = np.where(plain, ID_NUMBER, np.where(ids == NO_ID, ID_ROW, ID_TEXT))
        return _name_texts(details, lambda row: str(ids[row]))
    return _name_texts(details, ids.text) if _put_ids(*ids, details) else {}


def _name_texts(details: Array, text_of: Any) -> dict[int, str]:
    texts = {}
    for row in np.flatnonzero(details["id_kind"] == ID_TEXT).tolist():
        text = text_of(row)
        number, kind = trade_id(text)
        details["trade_id"][row], details["id_kind"][row] = number, kind
        if kind == ID_TEXT:
            texts[number] = text
    return texts


def warm_up() -> None:
    """Compile what reads details."""
    batch = {
        "ts_ns": np.ones(1, np.int64),
        "participant_ns": np.ones(1, np.int64),
        "conditions": Lists(np.array([0, 1], np.int32), np.zeros(1, np.int32), NOTHING),
        "id": Texts(np.array([0, 1], np.int32), np.full(1, ZERO, np.uint8)),
    }
    for column in batch.values():
        for array in column if isinstance(column, tuple) else (column,):
            array.flags.writeable = False
    details_of(batch, UnknownConditions())
