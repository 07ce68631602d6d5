"""The vendor's records of trades and quotes, from flat files and REST, in the normalised schema."""

from __future__ import annotations

from collections.abc import Sequence

FLAT = {
    "trades": {
        "ticker": "VARCHAR",
        "conditions": "VARCHAR",
        "correction": "INTEGER",
        "exchange": "INTEGER",
        "id": "VARCHAR",
        "participant_timestamp": "BIGINT",
        "price": "DOUBLE",
        "sequence_number": "BIGINT",
        "sip_timestamp": "BIGINT",
        "size": "DOUBLE",
        "tape": "INTEGER",
        "trf_id": "INTEGER",
        "trf_timestamp": "BIGINT",
    },
    "quotes": {
        "ticker": "VARCHAR",
        "ask_exchange": "INTEGER",
        "ask_price": "DOUBLE",
        "ask_size": "DOUBLE",
        "bid_exchange": "INTEGER",
        "bid_price": "DOUBLE",
        "bid_size": "DOUBLE",
        "conditions": "VARCHAR",
        "indicators": "VARCHAR",
        "participant_timestamp": "BIGINT",
        "sequence_number": "BIGINT",
        "sip_timestamp": "BIGINT",
        "tape": "INTEGER",
        "trf_timestamp": "BIGINT",
    },
}
"""Columns of `trades_v1` and `quotes_v1`, in the vendor's order, by the kind of tape they make."""

DROPPED_CORRECTIONS = (1, 7, 8, 10, 11)
"""Originals later corrected, erroneous or cancelled, and the records that say so; 12 replaces."""

FLAT_CONDITIONS = "list_transform(string_split(conditions, ','), lambda c: c::INTEGER)"
_NORMALISED = {
    "trades": """ticker AS symbol, sip_timestamp AS ts_ns, price, size, {conditions} AS conditions,
        exchange, id, coalesce(trf_id, 0) AS trf_id, participant_timestamp AS participant_ns""",
    "quotes": """ticker AS symbol, sip_timestamp AS ts_ns, bid_price AS bid, bid_size,
        ask_price AS ask, ask_size""",
}


def kind_of(header: Sequence[str]) -> tuple[str, list[str]]:
    """Return the kind a header is nearest to, and the columns it lacks for it."""
    kind = max(FLAT, key=lambda kind: len(set(header) & set(FLAT[kind])))
    return kind, sorted(set(FLAT[kind]) - set(header))


def as_csv(kind: str, header: Sequence[str], path: str) -> str:
    """Return the SQL that reads a flat file with declared types; nothing about it is guessed.

    Args:
        kind: `trades` or `quotes`.
        header: its columns, in order; what the vendor may add is text.
        path: its path as an SQL string.
    """
    types = [(name.replace("'", "''"), FLAT[kind].get(name, "VARCHAR")) for name in header]
    columns = ", ".join(f"'{name}': '{type_}'" for name, type_ in types)
    return (
        f"read_csv({path}, auto_detect = false, header = true, delim = ',', quote = '\"',"
        f" escape = '\"', nullstr = '', columns = {{{columns}}})"
    )


def columns(kind: str, conditions: str = FLAT_CONDITIONS) -> str:
    """Return the normalised columns as SQL over the vendor's."""
    return _NORMALISED[kind].format(conditions=conditions)


def kept(kind: str) -> str:
    """Return the SQL condition that a record still stands."""
    if kind == "quotes":
        return "true"
    return f"coalesce(correction, 0) NOT IN {DROPPED_CORRECTIONS}"


def normalised(kind: str, source: str) -> str:
    """Return the query that reads a flat file in the normalised schema, corrections applied."""
    return f"SELECT {columns(kind)} FROM {source} WHERE {kept(kind)}"
