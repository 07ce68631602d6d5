"""Whatever comes through the socket, decode does not raise and keeps what is good."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.frames import Decoder
from operators.ticks import QUOTE, TRADE, Ticks
from operators.values import MAX_PRICE, MAX_SIZE, PROBLEMS
from tests.make import frame, frames, wire_quote, wire_trade

repeatable = settings(
    max_examples=200, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
CODES = {*PROBLEMS[1:], "malformed_json", "unknown_event", "missing_field", "bad_type"}
GOOD = wire_trade(7, sym="GOOD")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.sampled_from(["T", "Q", "XT", "XQ", "1e5", "-0", 1704205800000, 1704205800000.0, 10.0]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
keys = st.sampled_from(
    ["ev", "sym", "pair", "p", "s", "ds", "i", "x", "c", "t", "pt", "trfi", "bp", "ap"]
)
changes_of = st.dictionaries(keys, json_values, max_size=3)


def sound(ticks: Ticks) -> None:
    """Hold what every chunk promises to the operators behind it."""
    trades = ticks.ticks[ticks.ticks["kind"] == TRADE]
    quotes = ticks.ticks[ticks.ticks["kind"] == QUOTE]
    assert len(ticks.details) == len(trades)
    assert len(trades) + len(quotes) == len(ticks)
    assert bool(np.all(ticks.ticks["symbol"] >= 0))
    assert bool(np.all(ticks.ticks["symbol"] < len(ticks.names)))
    assert bool(np.all((trades["price"] > 0) & (trades["price"] <= MAX_PRICE * 1e6)))
    assert bool(np.all((trades["size"] > 0) & (trades["size"] <= MAX_SIZE * 1e6)))
    assert bool(np.all((quotes["price"] >= 0) & (quotes["size"] >= 0)))
    assert {code for _, code in ticks.rejected} <= CODES
    assert all(len(r.fragment.encode(errors="surrogatepass")) <= 512 for r in ticks.rejects)
    texts = ticks.details["trade_id"][ticks.details["id_kind"] == 3].tolist()
    assert set(texts) <= set(ticks.texts)


@repeatable
@given(st.lists(st.binary(max_size=200), max_size=4))
def test_arbitrary_bytes(contents: list[bytes]) -> None:
    ticks = Decoder()(frames(frame(GOOD), *contents, frame(GOOD)))
    sound(ticks)
    assert ticks.names[0] == "GOOD"
    assert len(ticks) >= 2


@repeatable
@given(st.lists(json_values, max_size=4))
def test_any_json_among_good_items(items: list[Any]) -> None:
    ticks = Decoder()(frames(json.dumps([GOOD, *items, GOOD]).encode()))
    sound(ticks)
    assert [ticks.names[s] for s in ticks.ticks["symbol"]].count("GOOD") == 2


@repeatable
@given(st.lists(st.tuples(st.booleans(), changes_of, st.sets(keys, max_size=2)), min_size=1))
def test_events_with_fields_changed_and_dropped(
    changes: list[tuple[bool, dict[str, Any], set[str]]],
) -> None:
    """Each item is either a tick, or rejected once, or of no use."""
    items = []
    for is_trade, changed, dropped in changes:
        item = {**(wire_trade() if is_trade else wire_quote()), **changed}
        items.append({name: value for name, value in item.items() if name not in dropped})
    ticks = Decoder()(frames(json.dumps([GOOD, *items, GOOD]).encode()))
    sound(ticks)
    unused = sum(item.get("ev") in ("status", "A", "AM") for item in items)
    refused = sum(n for (_, code), n in ticks.rejected.items() if code != "crossed_quote")
    assert len(ticks) + refused + unused == len(items) + 2


@repeatable
@given(st.data())
def test_a_frame_with_bytes_changed(data: st.DataObject) -> None:
    whole = bytearray(frame(wire_trade(c=[37], ds="0.5"), wire_quote(), wire_trade(i="x")))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    ticks = Decoder()(frames(frame(GOOD), bytes(whole), bytes(whole[:cut]), frame(GOOD)))
    sound(ticks)
    assert [ticks.names[s] for s in ticks.ticks["symbol"]].count("GOOD") == 2
