"""Frames of the usual form are read as typed decoding reads them, or not at all."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from operators import scan, symbols
from operators.frames import Decoder
from operators.scan import SHORTEST, Scanner
from operators.scan_event import LONGEST_SYMBOL
from operators.ticks import DETAIL, Array, Ticks
from tests.make import frame, frames, wire_quote, wire_trade

repeatable = settings(
    max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
TELLING = b'0123456789.,:"{}[]eE+-TQ \n\\\x00\xc3'
STATUS = b',{"ev":"status"}]'  # says nothing, and only typed decoding passes it over

FULL = wire_trade(
    5, c=[14, 37, 41], ds="0.037000", pt=1704205800000, q=337201, trfi=202, trft=1, z=3
)
TRADES = [
    wire_trade(),
    FULL,
    wire_trade(c=[], s=0, ds="1671248.0"),
    wire_trade(c=[15, 999], i="#17"),
    wire_trade(c=[12, 8, 9], p=263.1612, i="0", x=0),
    wire_trade(sym="NE.WS.A", p=1e7, s=10**9, pt=0),
]
QUOTES = [
    wire_quote(),
    wire_quote(bx=12, bs=240, ax=11, **{"as": 80}, c=1, i=[604], pt=3, q=990417, z=3),
    wire_quote(bp=0, c=[1, 2]),
    wire_quote(bp=10.2, ap=10.1, sym="BRK.B"),
    wire_quote(bp=None, ap=None),
]


def left(*contents: bytes) -> int:
    """How many frames are not read here."""
    return Scanner([])(contents, [1] * len(contents)).left


SMALLEST = b'{"ev":"Q","sym":"A","t":946684800000}'


@pytest.mark.parametrize("events", [1, 2, 1000])
def test_there_is_room_for_as_many_events_as_bytes_can_hold(events: int) -> None:
    content = b"[" + b",".join([SMALLEST] * events) + b"]"
    assert len(SMALLEST) == SHORTEST
    assert len(Scanner([])([content] * 3, [1, 2, 3]).ticks) == 3 * events


def test_there_is_room_for_what_turns_out_to_be_no_event() -> None:
    none = b'[{"sym":"A","t":946684800000}]'
    assert len(none) < SHORTEST
    assert left(none) == 1


def rows(ticks: Ticks) -> list[tuple[Any, ...]]:
    """The ticks with their symbols spelled, and behind each trade its details."""
    details = iter(ticks.details[list(DETAIL.names or ())].tolist())
    return [
        (ticks.names[t["symbol"]], *t[["ts_ns", "price", "size", "kind"]].tolist())
        + (next(details) if t["kind"] == 0 else ())
        for t in ticks.ticks
    ]


def alike(content: bytes) -> None:
    """Hold a frame that is read here against what typed decoding makes of it."""
    scanned, typed = Decoder()(frames(content)), Decoder()(frames(content[:-1] + STATUS))
    assert rows(scanned) == rows(typed)
    assert scanned.rejected == typed.rejected
    assert not scanned.rejects


@pytest.mark.parametrize("event", [*TRADES, *QUOTES], ids=str)
def test_the_usual_events_are_read(event: dict[str, Any]) -> None:
    content = frame(wire_quote(sym="Y"), event)
    expected = 1 if event.get("c") == [15, 999] else 0
    assert left(content) == expected
    alike(content)


@pytest.mark.parametrize(
    "event",
    [
        wire_trade(p=0.1 + 0.2),  # more decimals than a price has
        wire_trade(p=1e-7),
        wire_trade(p=-1.0),
        wire_trade(p=0),
        wire_trade(p=10_000_000.5),
        wire_trade(p="10.0"),
        wire_trade(p=None),
        wire_trade(s=0),
        wire_trade(s=10**9 + 1),
        wire_trade(s=None),
        wire_trade(ds=5),
        wire_trade(ds=""),
        wire_trade(ds="1e3"),
        wire_trade(ds="01.5"),
        wire_trade(i=None),
        wire_trade(i=7),
        wire_trade(i=""),
        wire_trade(i="07"),
        wire_trade(i="#"),
        wire_trade(i="a7"),
        wire_trade(i="1234567890123456789"),
        wire_trade(i=[7]),
        wire_trade(x=32768),
        wire_trade(x=12.0),
        wire_trade(trfi=40_000),
        wire_trade(c=7),
        wire_trade(c=[7.5]),
        wire_trade(c=["7"]),
        wire_trade(c=[[7]]),
        wire_trade(c=[-7]),
        wire_trade(t=None),
        wire_trade(t=0),
        wire_trade(t=1_704_205_800),
        wire_trade(t=1_704_205_800_000_000),
        wire_trade(t=1704205800000.0),
        wire_trade(sym=None),
        wire_trade(sym=""),
        wire_trade(sym="A B"),
        wire_trade(sym="-A"),
        wire_trade(sym=5),
        wire_trade(sym="A" * (LONGEST_SYMBOL + 1)),
        wire_trade(sym="\u00c4"),
        wire_trade(ev="TT"),
        wire_trade(ev="A"),
        wire_trade(ev=""),
        wire_trade(ev=None),
        wire_quote(bp=10_000_000.5),
        wire_quote(ap=-1),
        wire_quote(z=True),
        wire_quote(z={"a": 1}),
        wire_quote(z="\\"),
    ],
    ids=str,
)
def test_anything_else_is_left_with_its_whole_frame(event: dict[str, Any]) -> None:
    good = frame(wire_trade(3), wire_quote())
    scanner = Scanner([])
    found = scanner([good, frame(wire_trade(1), event), good], [1, 2, 3])
    assert found.left == 1
    assert found.ends[:, :2].tolist() == [[0, 0], [2, 1], [2, 1], [4, 2]]
    assert found.details["received_ns"].tolist() == [1, 3]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"[{}]",
        b"{}",
        b"[",
        frame(wire_trade())[:-1],
        frame(wire_trade()) + b"x",
        frame(wire_trade())[:-1] + b",]",
        frame(wire_trade()).replace(b'"p":10.0', b'"p":010.0'),
        frame(wire_trade()).replace(b'"p":10.0', b'"p":10.'),
        frame(wire_trade()).replace(b'"p":10.0', b'"p":.5'),
        frame(wire_trade()).replace(b'"p":10.0', b'"p":1.0.0'),
        frame(wire_trade()).replace(b'"p":10.0', b'"p":10.0,"p":10.0'),
        frame(wire_trade()).replace(b'"p":10.0', b'"p":10.0,'),
        frame(wire_trade()).replace(b'"p":10.0', b'"p" 10.0'),
        frame(wire_trade(c=[1])).replace(b"[1]", b"[1,]"),
        frame(wire_trade()).replace(b'"X"', b'"X\\u0041"'),
        frame(wire_trade()).replace(b'"X"', b'"X\x00"'),
        frame(wire_quote(z="a")).replace(b'"a"', b'"\xff"'),
        frame(wire_quote(z="a")).replace(b'"a"', b'"\n"'),
    ],
)
def test_what_is_no_such_list_is_left(text: bytes) -> None:
    assert left(text) == 1


def test_white_space_of_json_does_no_harm() -> None:
    content = json.dumps([FULL, wire_quote()], indent=2, separators=(" , ", " : ")).encode()
    content = b" \t\r\n" + content.replace(b"}", b" \r\n}") + b"\n"
    compact = Decoder()(frames(frame(FULL, wire_quote())))
    assert left(content) == 0
    assert rows(Decoder()(frames(content))) == rows(compact)


def test_symbols_without_end_are_learnt_once_and_keep_their_codes() -> None:
    names = [f"S{n}" for n in range(3_000)]
    scanner = Scanner(known := ["LEARNT", "ELSEWHERE"])
    contents = [frame(wire_quote(sym=name), wire_trade(sym=name)) for name in names]
    for _ in range(12):  # a call learns a few hundred and leaves the rest
        found = scanner(contents, [0] * len(contents))
    assert found.left == 0
    assert sorted(known) == sorted([*names, "LEARNT", "ELSEWHERE"])
    assert [known[code] for code in found.ticks["symbol"][::2]] == names
    known.append("LATER")
    assert scanner([frame(wire_quote(sym="LATER"))], [0]).ticks["symbol"].tolist() == [
        known.index("LATER")
    ]


def test_an_unknown_condition_is_left_until_it_was_met() -> None:
    content = frame(wire_trade(c=[37, 200]))
    scanner = Scanner([])
    assert scanner([content], [1]).left == 1
    scanner.meet(200)
    found = scanner([content], [1])
    assert found.left == 0
    assert found.details["sale_class"].tolist() == [2]


def test_crossed_quotes_are_read_and_named() -> None:
    crossed = wire_quote(bp=10.2, ap=10.1, sym="C")
    found = Scanner([])([frame(wire_quote(), crossed, wire_quote(bp=10.1, ap=10.1))], [1])
    assert found.crossed.tolist() == [1]
    bad = Scanner([])([frame(crossed, wire_quote(ap=-1))], [1])
    assert (bad.left, len(bad.crossed)) == (1, 0)


decimals = st.decimals(0, 10**7, allow_nan=False, places=4).map(float) | st.integers(0, 10**9)
changes = st.fixed_dictionaries(
    {},
    optional={
        "sym": st.text("ABC.a1", min_size=1, max_size=9),
        "p": decimals,
        "bp": decimals,
        "ap": decimals,
        "s": decimals,
        "ds": st.decimals(0, 10**9, allow_nan=False, places=6).map(str),
        "i": st.integers(0, 10**18).map(str) | st.integers(0, 99).map("#{}".format),
        "x": st.integers(0, 40_000),
        "trfi": st.integers(0, 300),
        "c": st.lists(st.integers(0, 80), max_size=5),
        "t": st.integers(946_684_700_000, 4_102_444_900_000),
        "pt": st.integers(0, 2**60),
        "z": st.integers() | st.text(max_size=5) | st.lists(st.integers(0, 9), max_size=2),
    },
)
events = st.tuples(st.sampled_from([wire_trade(), wire_quote()]), changes).map(
    lambda pair: {**pair[0], **pair[1]}
)


places, bytes_ = st.integers(0, 2**16), st.sampled_from(TELLING) | st.integers(0, 255)


@repeatable
@given(st.lists(events, min_size=1, max_size=4))
def test_whatever_is_read_is_what_typed_decoding_reads(items: list[dict[str, Any]]) -> None:
    content = frame(*items)
    assume(left(content) == 0)
    alike(content)


@repeatable
@given(
    st.sampled_from(TRADES + QUOTES), st.lists(st.tuples(places, bytes_), min_size=1, max_size=3)
)
def test_changed_bytes_are_never_read_differently(
    event: dict[str, Any], changed: list[tuple[int, int]]
) -> None:
    whole = bytearray(frame(event, wire_quote()))
    for at, byte in changed:
        whole[at % (len(whole) - 1)] = byte
    content = bytes(whole)
    assume(left(content) == 0)
    alike(content)


@repeatable
@given(st.lists(st.tuples(events, st.booleans()), min_size=1, max_size=8))
def test_frames_read_either_way_keep_their_order(items: list[tuple[dict[str, Any], bool]]) -> None:
    contents = [frame(event)[:-1] + STATUS if slow else frame(event) for event, slow in items]
    together = rows(Decoder()(frames(*contents)))
    decoder = Decoder()
    one_by_one = [row for content in contents for row in rows(decoder(frames(content)))]
    received = DETAIL.names.index("received_ns") + 5 if DETAIL.names else 0

    def timeless(found: list[tuple[Any, ...]]) -> list[Array]:
        return [row[:received] + row[received + 1 :] for row in found]

    assert timeless(together) == timeless(one_by_one)
    assert np.array(decoder._scan([], []).ticks).size == 0


def test_symbols_invented_without_end_are_no_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operator keeps a row for each; whether it is scanned or decoded makes no difference."""
    monkeypatch.setattr(scan, "MOST_SYMBOLS", 20)
    monkeypatch.setattr(symbols, "MOST_SYMBOLS", 20)
    decoder = Decoder()
    sent = [frame(wire_trade(sym=f"N{n}")) for n in range(30)]
    sent += [frame(wire_trade(sym=f"N{n}", i="text")) for n in (0, 40)]
    found = decoder(frames(*sent))
    assert found.names == [f"N{n}" for n in range(20)]
    assert len(found) == 21
    assert found.rejected == {("N40", "bad_symbol"): 1} | {
        (f"N{n}", "bad_symbol"): 1 for n in range(20, 30)
    }


def test_a_frame_with_a_zero_behind_its_end_is_malformed() -> None:
    sound = frame(wire_quote())
    found = Decoder()(frames(sound, sound + b"\0", sound + b"\0x", sound))
    assert (len(found), found.rejected) == (2, {("", "malformed_json"): 2})
