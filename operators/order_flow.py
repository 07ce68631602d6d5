"""Order-flow imbalance: what each quote adds to it, and a symbol's price by its quotes.

Source: Cont, Kukanov and Stoikov 2014, section 2.1.
"""

from __future__ import annotations

from operators.context_window import NOT_YET, note
from operators.kernels import step
from operators.ticks import Array, Row

NO_ASK = 2**62  # an absent ask is above all others


@step
def imbalance(mine: Row, bid: int, ask: int, bid_size: int, ask_size: int) -> int:
    """Return what one quote adds to the order-flow imbalance: e_n of the paper.

    More is bid for, or less is offered, than the quote before it said: positive.
    """
    before = mine["ask"] if mine["ask"] > 0 else NO_ASK
    now = ask if ask > 0 else NO_ASK
    # No branches: which way the market goes is what a processor cannot foresee.
    e = int(bid >= mine["bid"]) * bid_size - int(bid <= mine["bid"]) * mine["bid_size"]
    e += int(now >= before) * mine["ask_size"] - int(now <= before) * ask_size
    return int(e)


@step
def take_quote(mine: Row, tick: Row, bid_size: int, ask_size: int, window: Array) -> None:
    """Let a quote follow the one before it; the first one only says where to begin."""
    bid, ask = tick["price"], tick["size"]
    if mine["since"] == NOT_YET:
        mine["since"] = mine["second"]
    else:
        mine["flow"] += imbalance(mine, bid, ask, bid_size, ask_size)
    if bid_size > 0 or ask_size > 0:
        mine["sized"] = 1
    mine["bid"] = bid
    mine["ask"] = ask
    mine["bid_size"] = bid_size
    mine["ask_size"] = ask_size
    mine["quote_ns"] = tick["ts_ns"]
    mine["quoted"] = 1
    if 0 < bid < ask:
        mine["price"] = bid + ask
        mine["price_second"] = mine["second"]
    note(mine, window)
