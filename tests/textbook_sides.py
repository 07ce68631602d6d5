"""The side rules as their papers have them, to measure ours against.

They differ from `operators.aggressor` in what a print at or beyond a quote is (a case of the rule
and not its first step) and in knowing no stale, locked or late quote: the quote is the last one
before the print, whatever it is. Prices are integers of 1e-6 dollar. 0 is undecided.

Sources: Lee and Ready 1991; Ellis, Michaely and O'Hara 2000; Chakrabarty, Li, Nguyen and Van
Ness 2007, as read by tclf (KarelZe).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Sides = npt.NDArray[np.int8]


class Tape(NamedTuple):
    """Trades of one symbol in tape order, the quote before each (0: none), and the true side."""

    price: Ints
    bid: Ints
    ask: Ints
    truth: Sides
    order: Ints  # `feed_seq` where the tape has it, else 1-based rows
    ts_ns: Ints
    size: npt.NDArray[np.float64]


def read_tape(trades: Path, quotes: Path) -> Tape:
    """Join each trade with the last quote before it: by the one feed's row number, or by time."""
    with duckdb.connect() as db:
        columns = {name for name, *_ in db.execute(f"describe from '{trades}'").fetchall()}
        key = "feed_seq" if "feed_seq" in columns else "ts_ns"
        got: dict[str, Any] = db.execute(
            f"""
            with t as (
                select *, row_number() over (order by ts_ns, {key}, file_row_number) as n
                from read_parquet($trades, file_row_number = true)
            ),
            q as (
                select {key}, arg_max(bid, file_row_number) as bid,
                    arg_max(ask, file_row_number) as ask
                from read_parquet($quotes, file_row_number = true) group by {key}
            )
            select
                round(t.price * 1e6)::bigint as price,
                coalesce(round(if(isfinite(q.bid), q.bid, 0) * 1e6)::bigint, 0) as bid,
                coalesce(round(if(isfinite(q.ask), q.ask, 0) * 1e6)::bigint, 0) as ask,
                t.side as truth,
                {"t.feed_seq" if key == "feed_seq" else "t.n"} as "order",
                t.ts_ns, t.size
            from t asof left join q on t.{key} > q.{key} order by n
            """,
            {"trades": str(trades), "quotes": str(quotes)},
        ).fetchnumpy()
    return Tape(*(np.asarray(got[name]) for name in Tape._fields))


def tick(tape: Tape) -> Sides:
    """Above the last different price a buy, below it a sell."""
    moves = np.sign(np.diff(tape.price, prepend=tape.price[:1])).astype(np.int8)
    moved = np.where(moves != 0, np.arange(len(moves)), 0)
    return moves[np.maximum.accumulate(moved)]


def quote(tape: Tape) -> Sides:
    """Above the midpoint a buy, below it a sell."""
    known = (tape.bid > 0) & (tape.ask > 0)
    return np.where(known, np.sign(2 * tape.price - tape.bid - tape.ask), 0).astype(np.int8)


def lee_ready(tape: Tape) -> Sides:
    """The quote rule, else the tick rule."""
    side = quote(tape)
    return np.where(side != 0, side, tick(tape))


def emo(tape: Tape) -> Sides:
    """At the ask a buy, at the bid a sell, else the tick rule."""
    at = (tape.price == tape.ask).astype(np.int8) - (tape.price == tape.bid).astype(np.int8)
    return np.where(at != 0, at, tick(tape))


def clnv(tape: Tape) -> Sides:
    """In the 30 % below the ask a buy, in those above the bid a sell, else the tick rule."""
    price, bid, ask = tape.price, tape.bid, tape.ask
    known = (bid > 0) & (ask > bid)
    zone = 3 * (ask - bid)
    buy = known & (price <= ask) & (10 * (ask - price) <= zone)
    sell = known & (price >= bid) & (10 * (price - bid) <= zone)
    return np.where(buy, 1, np.where(sell, -1, tick(tape))).astype(np.int8)


TEXTBOOK = {"quote": quote, "tick": tick, "lee_ready": lee_ready, "emo": emo, "clnv": clnv}
