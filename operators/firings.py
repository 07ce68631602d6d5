"""The seam: what is worth saying leaves the columns as records, one a print."""

from __future__ import annotations

from collections.abc import Iterator

import bytewax.operators as op
from bytewax.dataflow import operator
from bytewax.operators import KeyedStream

from operators.aggressor import AT_QUOTE, BUY, INSIDE, STATED, TICK
from operators.nbbo import Prints
from operators.records import Firing, Parent
from operators.sessions import Sessions, phase_name
from operators.ticks import ID_MOCK_ROW, ID_NUMBER, ID_ROW, MICRO, MS, Row

BASELINE_MINUTES = 5


def trade_key(row: Row, texts: dict[int, str], venues: list[str]) -> str:
    """Return the trade key of a print as an alert id spells it (detectors.md section 9)."""
    number = int(row["trade_id"])
    if row["id_kind"] in (ID_ROW, ID_MOCK_ROW):
        return f"#{number}"
    text = str(number) if row["id_kind"] == ID_NUMBER else texts[number]
    exchange = int(row["exchange"])
    venue = venues[exchange] if venues else str(exchange)
    return f"{venue}|{int(row['trf'])}|{text}"


def _evidence(side: int, evidence: int) -> str | None:
    if evidence == AT_QUOTE:
        return "at_ask" if side == BUY else "at_bid"
    return {STATED: "stated", INSIDE: "inside", TICK: "tick"}.get(evidence)


def _parent(event: Row) -> Parent:
    return Parent(
        kind=int(event["kind"]),
        number=int(event["number"]),
        size=int(event["size"]) / MICRO,
        notional=round(float(event["notional"]), 2),
        vwap=round(float(event["notional"]) / (int(event["size"]) / MICRO), 6),
        prints=int(event["prints"]),
        venues=int(event["venues"]),
        first_ns=int(event["first_ns"]),
    )


def _volumes(volume: Row) -> dict[str, float | None]:
    """Return what the rolling windows hold at a print, in shares and shares of volume."""
    current, baseline = int(volume["current"]), int(volume["baseline"])
    classified = int(volume["sells"]) + int(volume["buys"])
    known = bool(volume["warm"]) and baseline > 0
    return {
        "volume_1m": current / MICRO,
        "avg_volume_1m": baseline / BASELINE_MINUTES / MICRO if known else None,
        "volume_ratio": BASELINE_MINUTES * current / baseline if known else None,
        "sell_share": int(volume["sells"]) / classified if classified else None,
    }


def firings(chunk: Prints, sessions: Sessions) -> Iterator[tuple[str, Firing]]:
    """Yield `(symbol, firing)` for each print on which a rule fired, in print order."""
    if not len(chunk.parents) and not len(chunk.bursts):
        return
    parents = {int(event["row"]): event for event in chunk.parents}
    bursts = {int(event["row"]): event for event in chunk.bursts}
    for i in sorted(parents.keys() | bursts.keys()):
        row = chunk.rows[i]
        parent, burst = parents.get(i), bursts.get(i)
        ts_ms = int(row["ts_ns"]) // MS
        symbol = chunk.names[row["symbol"]]
        bid, ask = int(row["bid"]), int(row["ask"])
        yield (
            symbol,
            Firing(
                symbol=symbol,
                ts_ns=int(row["ts_ns"]),
                received_ns=int(row["received_ns"]),
                trade_key=trade_key(row, chunk.texts, chunk.venues),
                price=int(row["price"]) / MICRO,
                bid=bid / MICRO if bid > 0 else None,
                ask=ask / MICRO if ask > 0 else None,
                quote_age_ms=float(ts_ms - int(row["quote_ns"]) // MS) if row["quoted"] else None,
                side_evidence=_evidence(int(chunk.side[i]), int(chunk.evidence[i])),
                session=phase_name(sessions, ts_ms),
                parent=_parent(parent) if parent is not None else None,
                burst=int(burst["kind"]) if burst is not None else 0,
                burst_escalates=bool(burst["escalates"]) if burst is not None else False,
                burst_first_ns=int(burst["first_ns"]) if burst is not None else 0,
                **_volumes(chunk.volume[i]),
            ),
        )


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
