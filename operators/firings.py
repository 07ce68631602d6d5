"""The seam: what is worth saying leaves the columns as records, one a print."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.aggressor import AT_QUOTE, BUY, INSIDE, STATED, TICK
from operators.books import imbalance_of
from operators.market_wide import market_wide, order_flow
from operators.nbbo import Prints
from operators.records import Firing, Parent
from operators.red_burst import BASELINE_MINUTES
from operators.resting_firings import resting_firing
from operators.sessions import Sessions, phase_name
from operators.ticks import ID_MOCK_ROW, ID_ROW, ID_TEXT, LATE, MICRO, MS, WARMING, Row

Fields = dict[str, Any]


def _fields(row: Row) -> Fields:
    """Return one row of a structured array as plain Python values."""
    return dict(zip(row.dtype.names, row.item(), strict=True))


def trade_key(row: Fields, texts: dict[int, str], venues: list[str]) -> str:
    """Return the trade key of a print as an alert id spells it (detectors.md section 9)."""
    number = row["trade_id"]
    if row["id_kind"] in (ID_ROW, ID_MOCK_ROW):
        return f"#{number}"
    text = texts[number] if row["id_kind"] == ID_TEXT else str(number)
    venue = venues[row["exchange"]] if venues else row["exchange"]
    return f"{venue}|{row['trf']}|{text}"


def _evidence(side: int, evidence: int) -> str | None:
    if evidence == AT_QUOTE:
        return "at_ask" if side == BUY else "at_bid"
    return {STATED: "stated", INSIDE: "inside", TICK: "tick"}.get(evidence)


def _parent(event: Fields) -> Parent:
    size = event["size"] / MICRO
    return Parent(
        kind=event["kind"],
        number=event["number"],
        size=size,
        notional=round(event["notional"], 2),
        vwap=round(event["notional"] / size, 6),
        prints=event["prints"],
        venues=event["venues"],
        first_ns=event["first_ns"],
        **_measure(event),
    )


def _measure(event: Fields) -> Fields:
    """Return what a parent was held against in adaptive mode."""
    if "threshold" not in event:
        return {}
    percentile = event["percentile"]
    return {
        "threshold": event["threshold"] / MICRO,
        "percentile": None if math.isnan(percentile) else round(percentile, 3),
    }


def _baseline(chunk: Prints, i: int) -> float | None:
    """Return what the minute was held against in adaptive mode, shares a minute."""
    if not len(chunk.expected):
        return None
    row = chunk.expected[i]
    known = row["warm"] and row["baseline"] > 0
    return float(row["baseline"] / BASELINE_MINUTES / MICRO) if known else None


def _volumes(volume: Fields) -> Fields:
    """Return what the rolling windows hold at a print, in shares."""
    current, baseline = volume["current"], volume["baseline"]
    classified = volume["sells"] + volume["buys"]
    known = volume["warm"] and baseline > 0
    return {
        "volume_1m": current / MICRO,
        "avg_volume_1m": baseline / BASELINE_MINUTES / MICRO if known else None,
        "volume_ratio": BASELINE_MINUTES * current / baseline if known else None,
        "sell_share": volume["sells"] / classified if classified else None,
    }


def _context(chunk: Prints, i: int) -> Fields:
    """Return what surrounds a print, where anybody looked."""
    around: Fields = {}
    if len(chunk.delta):
        around["cvd"] = int(chunk.delta[i]) / MICRO
    if len(chunk.context):
        around["ofi_60s"] = order_flow(chunk.context[i])
        around["market_wide"] = market_wide(chunk.context[i])
    return around


def _firing(
    chunk: Prints, i: int, parent: Row | None, burst: Row | None, sessions: Sessions
) -> Firing:
    row = _fields(chunk.rows[i])
    episode = _fields(burst) if burst is not None else {}
    ts_ms = row["ts_ns"] // MS
    return Firing(
        symbol=chunk.names[row["symbol"]],
        ts_ns=row["ts_ns"],
        received_ns=row["received_ns"],
        trade_key=trade_key(row, chunk.texts, chunk.venues),
        price=row["price"] / MICRO,
        bid=row["bid"] / MICRO if row["bid"] > 0 else None,
        ask=row["ask"] / MICRO if row["ask"] > 0 else None,
        quote_age_ms=float(ts_ms - row["quote_ns"] // MS) if row["quoted"] else None,
        side_evidence=_evidence(int(chunk.side[i]), int(chunk.evidence[i])),
        session=phase_name(sessions, ts_ms),
        parent=_parent(_fields(parent)) if parent is not None else None,
        burst=episode.get("kind", 0),
        burst_escalates=bool(episode.get("escalates")),
        burst_first_ns=episode.get("first_ns", 0),
        late=chunk.origin == LATE,
        warming=chunk.origin == WARMING,
        baseline=_baseline(chunk, i),
        imbalance=imbalance_of(row["imbalance"]),
        **_volumes(_fields(chunk.volume[i])),
        **_context(chunk, i),
    )


def firings(chunk: Prints, sessions: Sessions) -> Iterator[tuple[str, Firing]]:
    """Yield `(symbol, firing)` for each print on which a rule fired, in print order.

    What the book showed comes where it stood among the prints. What a suspended symbol does is
    no news: it raises no alert and counts toward none.
    """
    if not len(chunk.parents) and not len(chunk.bursts) and not len(chunk.resting):
        return
    parents = {int(event["row"]): event for event in chunk.parents}
    bursts = {int(event["row"]): event for event in chunk.bursts}
    resting, shown = chunk.resting, 0
    for i in sorted(parents.keys() | bursts.keys()):
        while shown < len(resting) and resting[shown]["at"] <= i:
            firing = resting_firing(_fields(resting[shown]), chunk.names, sessions)
            yield firing.symbol, firing
            shown += 1
        if chunk.rows[i]["stale"]:
            continue
        firing = _firing(chunk, i, parents.get(i), bursts.get(i), sessions)
        yield firing.symbol, firing
    for event in resting[shown:]:
        firing = resting_firing(_fields(event), chunk.names, sessions)
        yield firing.symbol, firing


@operator
def fired(step_id: str, up: KeyedStream[Prints], sessions: Sessions) -> KeyedStream[Firing]:
    """Take out of the columns what is worth saying.

    Args:
        step_id: Name of the step.
        up: `(shard, chunk)` with every column.
        sessions: What names the phase of a print.

    Returns:
        `(symbol, firing)`, in print order per symbol.
    """
    return op.flat_map("rows", up, lambda keyed: firings(keyed[1], sessions))
