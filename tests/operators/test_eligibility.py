"""Which prints count: one verdict for each (detectors.md sections 1 and 2)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from operators.eligibility import Eligibility, EligibilityRules
from operators.frames import Decoder
from operators.nbbo import Nbbo
from operators.sessions import parse_sessions
from operators.verdicts import GAP_MARK, VERDICTS
from tests.make import Tape, frame, frames, quote, stored, trade, wire_quote, wire_trade
from tests.reference_cases import clock, ns
from tests.reference_tape import Event, Gap

REGULAR = EligibilityRules(parse_sessions("regular"), 1_000)
HOUR = 3_600_000


class Judge:
    """Eligibility with the quotes before it, chunk after chunk."""

    def __init__(self, rules: EligibilityRules = REGULAR, saved: Any = (None, None)) -> None:
        self.nbbo, self.eligibility = Nbbo(saved[0]), Eligibility(rules, saved[1])

    def __call__(self, tape: Tape, *events: Event) -> list[str]:
        chunk = self.eligibility(self.nbbo(tape.ticks(*events)))
        self.resets = chunk.resets.tolist()
        return ["gap" if v == GAP_MARK else VERDICTS[v] for v in chunk.verdict]

    def saved(self) -> Any:
        return stored(self.nbbo.snapshot()), stored(self.eligibility.snapshot())


def verdicts(*events: Event, sessions: str = "regular", late_ms: int = 1_000) -> list[str]:
    return Judge(EligibilityRules(parse_sessions(sessions), late_ms))(Tape(), *events)


def resets(*events: Event, sessions: str = "pre,regular") -> list[int]:
    judge = Judge(EligibilityRules(parse_sessions(sessions), 1_000))
    judge(Tape(), *events)
    found: list[int] = judge.resets
    return found


def test_a_class_that_is_no_flow_is_its_own_verdict() -> None:
    tape = [trade(i, conditions=c) for i, c in enumerate(((24,), (17,), (8,), (2,), (15,), (61,)))]
    assert verdicts(*tape) == [
        "block",
        "auction_open",
        "auction_close",
        "non_flow",
        "summary_drop",
        "unknown_condition",
    ]


@pytest.mark.parametrize(("ms", "again"), [(0, True), (360_000, True), (360_001, False)])
def test_a_key_seen_within_the_last_six_minutes_is_a_duplicate(ms: int, again: bool) -> None:
    key: dict[str, Any] = {"exchange": 4, "trade_id": "71"}
    assert verdicts(trade(0, **key), trade(ms, **key))[1] == ("duplicate" if again else "counted")


def test_a_duplicate_refreshes_the_time_of_its_key() -> None:
    tape = [trade(ms, trade_id="7") for ms in (0, 360_000, 720_000, 1_080_001)]
    assert verdicts(*tape) == ["counted", "duplicate", "duplicate", "counted"]


def test_an_early_print_with_the_key_does_not_make_it_older() -> None:
    tape = [
        trade(400_000, trade_id="7"),
        trade(100_000, trade_id="7"),
        trade(760_000, trade_id="7"),
    ]
    assert verdicts(*tape) == ["counted", "duplicate", "duplicate"]


def test_the_six_minutes_end_at_the_newest_print_whatever_its_verdict() -> None:
    block = trade(360_001, conditions=(24,))
    first, again = trade(0, trade_id="7"), trade(1, trade_id="7")
    assert verdicts(first, block, again) == ["counted", "block", "counted"]


@pytest.mark.parametrize(
    ("first", "second", "again"),
    [
        ({"trade_id": "71", "exchange": 4}, {"trade_id": "71", "exchange": 5}, False),
        ({"trade_id": "71", "trf": 201}, {"trade_id": "71", "trf": 202}, False),
        ({"trade_id": "71"}, {"trade_id": "72"}, False),
        ({"trade_id": "71"}, {"trade_id": "71", "symbol": "Y"}, False),
        ({"trade_id": "x"}, {"trade_id": "x"}, True),
        ({}, {}, False),
        ({"trade_id": "#1", "exchange": 4}, {"trade_id": "#1", "exchange": 5, "trf": 1}, True),
        ({"trade_id": "#1"}, {"trade_id": "1"}, False),
    ],
)
def test_the_key_is_exchange_trf_and_id(
    first: dict[str, Any], second: dict[str, Any], again: bool
) -> None:
    assert verdicts(trade(0, **first), trade(0, **second))[1] == (
        "duplicate" if again else "counted"
    )


@pytest.mark.parametrize("chunk", [1, 700, 5_000])
def test_thousands_of_keys_are_told_apart_whatever_the_chunks(chunk: int) -> None:
    """Every 10 ms a print, each id twice within a minute and once more after 400 s."""
    made = [(ms, f"{ms % 5_000 + 10**9 * (ms // 6_000 % 2)}") for ms in range(0, 20_000, 4)]
    tape, judge, got, seen = Tape(), Judge(), [], dict[str, int]()
    want = []
    for ms, name in made:
        want.append("duplicate" if ms * 40 - seen.get(name, -(10**9)) <= 360_000 else "counted")
        seen[name] = ms * 40
    events = [trade(ms * 40, trade_id=name) for ms, name in made]
    for at in range(0, len(events), chunk):
        got += judge(tape, *events[at : at + chunk])
    assert {"duplicate", "counted"} <= set(want)
    assert got == want


@pytest.mark.parametrize(
    ("ms", "verdict"),
    [
        (400_999, "counted"),
        (400_998, "out_of_order"),
        (41_000, "out_of_order"),  # second 41 is 400 - 359
        (40_999, "too_late"),
    ],
)
def test_a_print_behind_the_newest_is_out_of_order_or_too_late(ms: int, verdict: str) -> None:
    assert verdicts(trade(0), trade(400_999.9), trade(ms))[-1] == verdict


def test_only_counted_prints_are_what_others_are_behind_of() -> None:
    tape = [trade(0), trade(900, conditions=(24,)), trade(800, participant_ns=1), trade(100)]
    assert verdicts(*tape)[-1] == "counted"


@pytest.mark.parametrize(
    ("participant", "late_ms", "verdict"),
    [
        (ns(4_000), 1_000, "counted"),  # floor(5,000.9) - 4,000 is 1,000
        (ns(3_999.999999), 1_000, "late"),
        (ns(9_000), 1_000, "counted"),
        (None, 0, "counted"),
        (ns(4_999.9), 0, "late"),
        (1, 60_000, "late"),  # 54 years: more than 32 bits of ms
    ],
)
def test_a_report_later_than_allowed_is_late(
    participant: int | None, late_ms: int, verdict: str
) -> None:
    assert verdicts(trade(5_000.9, participant_ns=participant), late_ms=late_ms) == [verdict]


@pytest.mark.parametrize(
    ("bid", "ask", "price", "age_ms", "conditions", "verdict"),
    [
        (10.00, 10.10, 9.98, 0, (), "counted"),  # exactly 2 cents below
        (10.00, 10.10, 9.979999, 0, (), "off_market"),
        (10.00, 10.10, 10.12, 0, (), "counted"),
        (10.00, 10.10, 10.120001, 0, (), "off_market"),
        (10.00, 10.10, 9.0, 0, (14,), "counted"),
        (10.00, 10.10, 9.0, 1_000.9, (), "off_market"),
        (10.00, 10.10, 9.0, 1_001, (), "counted"),
        (10.00, 10.00, 9.0, 0, (), "counted"),  # locked
        (0.0, 10.10, 12.0, 0, (), "counted"),  # no bid
        (99.90, 100.10, 99.80, 0, (), "counted"),  # exactly 0.1 % of 100
        (99.90, 100.10, 99.799999, 0, (), "off_market"),
    ],
)
def test_a_print_far_outside_a_fresh_quote_is_off_market(
    bid: float, ask: float, price: float, age_ms: float, conditions: tuple[int, ...], verdict: str
) -> None:
    tape = quote(0, bid, ask), trade(age_ms, price, conditions=conditions)
    assert verdicts(*tape) == [verdict]


@pytest.mark.parametrize(("quotes_shed", "verdict"), [(False, "off_market"), (True, "counted")])
def test_nothing_is_off_market_while_quotes_are_being_shed(quotes_shed: bool, verdict: str) -> None:
    wire = frames(frame(wire_quote(0, bp=10.0, ap=10.1), wire_trade(1, p=20.0)))
    ticks = Decoder()(wire._replace(quotes_shed=quotes_shed))
    judged = Eligibility(REGULAR)(Nbbo()(ticks))
    assert [VERDICTS[v] for v in judged.verdict] == [verdict]


@pytest.mark.parametrize(
    ("sessions", "text", "conditions", "verdict"),
    [
        ("regular", "09:29:59", (), "out_of_session"),
        ("regular", "09:30:00", (), "counted"),
        ("regular", "15:59:59", (), "counted"),
        ("regular", "16:00:00", (), "out_of_session"),
        ("regular", "12:00:00", (12,), "extended_hours"),
        ("pre", "04:00:00", (12,), "counted"),
        ("pre", "03:59:59", (12,), "extended_hours"),
        ("post", "19:59:59", (12,), "counted"),
        ("post", "20:00:00", (), "out_of_session"),
        ("07:00-10:00", "07:00:00", (12,), "counted"),
        ("07:00-10:00", "09:30:00", (12,), "extended_hours"),
        ("07:00-10:00", "10:00:00", (), "out_of_session"),
        ("all", "02:00:00", (), "counted"),
        ("all", "08:00:00", (12,), "extended_hours"),
    ],
)
def test_the_session_filter(
    sessions: str, text: str, conditions: tuple[int, ...], verdict: str
) -> None:
    assert verdicts(clock(text, conditions=conditions), sessions=sessions) == [verdict]


def test_the_first_verdict_that_applies_is_the_one() -> None:
    tape: list[Event] = [
        trade(5, 20.0, trade_id="7"),
        quote(0, 20.0, 20.1),
        trade(1, conditions=(24,), participant_ns=1, trade_id="7"),
        trade(1, conditions=(24,), participant_ns=1),
        clock("03:00:00", conditions=(24,)),
        clock("03:00:00", participant_ns=1),
        trade(1, participant_ns=1),
        trade(1),
        trade(1, 20.0),
    ]
    expected = ["counted", "duplicate", "block", "block", "out_of_session", "late", "off_market"]
    assert verdicts(*tape) == [*expected, "out_of_order"]


def test_the_first_print_of_a_phase_that_passes_the_filter_resets() -> None:
    auction = trade(0, conditions=(17,))
    tape = [clock("09:29:58"), clock("09:29:59"), auction, trade(1, participant_ns=1), trade(2)]
    assert resets(*tape) == [1, 0, 0, 1, 0]
    assert resets(*tape, sessions="all") == [1, 0, 0, 0, 0]
    assert resets(*tape, sessions="09:00-10:00") == [1, 0, 0, 0, 0]


def test_an_older_phase_does_not_return() -> None:
    tape = [clock("09:29:59"), trade(0), clock("09:29:59"), trade(1)]
    assert resets(*tape) == [1, 1, 0, 0]
    assert verdicts(*tape, sessions="pre,regular")[2] == "too_late"


def test_a_new_day_resets() -> None:
    assert resets(trade(0), trade(24 * HOUR), trade(24 * HOUR + 1)) == [1, 1, 0]


@pytest.mark.parametrize("condition", [18, 28])
def test_a_reopening_print_resets_and_closes_what_lies_before_it(condition: int) -> None:
    reopened = trade(2_000, conditions=(condition,))
    tape = [trade(0), reopened, trade(2_001), trade(1_999), trade(2_000)]
    assert resets(*tape) == [1, 1, 0, 0, 0]
    assert verdicts(*tape)[2:] == ["counted", "too_late", "out_of_order"]
    early = clock("08:00:00", conditions=(condition,))
    assert resets(early, sessions="regular") == [1]


def test_a_reopening_print_that_is_a_duplicate_does_not_reset() -> None:
    tape = [trade(0, conditions=(18,), trade_id="7"), trade(1, conditions=(18,), trade_id="7")]
    assert resets(*tape) == [1, 0]


def test_a_gap_mark_is_no_print() -> None:
    assert verdicts(trade(5), Gap("X", 0, ns(900_000)), trade(6, trade_id="1")) == [
        "counted",
        "gap",
        "counted",
    ]


def test_keys_order_and_phase_outlive_a_restart_in_which_symbols_come_in_another_order() -> None:
    first = Judge()
    key: dict[str, Any] = {"trade_id": "7"}
    first(Tape(), trade(900, **key), trade(5, symbol="Y", **key), trade(900, symbol="Z", **key))
    waited = Judge(saved=first.saved())
    waited(Tape(), trade(901, symbol="NEW", **key))
    second = Judge(saved=waited.saved())
    tape = [trade(6, symbol="Y", **key), trade(6, symbol="Y"), trade(899), trade(901, **key)]
    assert second(Tape(["NEW", "Y"]), *tape, trade(1, symbol="Q", **key)) == [
        "duplicate",
        "counted",
        "out_of_order",
        "duplicate",
        "counted",
    ]
    assert second.resets == [0, 0, 0, 0, 1]


def test_an_empty_chunk_passes() -> None:
    assert Judge()(Tape()) == []


@pytest.mark.parametrize("field", ["exchange", "trf", "symbol"])
def test_one_id_at_many_venues_or_symbols_is_many_prints(field: str) -> None:
    """Enough of them, of no pattern, that some keys lie on each other's way in the table."""
    rng = random.Random(1)
    tape = []
    for number in rng.sample(range(10**14), 30):
        for k in rng.sample(range(600 if field == "symbol" else 30_000), 200):
            given: dict[str, Any] = {field: f"S{k}" if field == "symbol" else k}
            tape.append(trade(0, trade_id=str(number), **given))
    assert set(verdicts(*tape)) == {"counted"}
