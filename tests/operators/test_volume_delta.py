from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from operators.nbbo import Prints
from operators.verdicts import AUCTION_REOPEN, COUNTED
from operators.volume_delta import VolumeDelta
from tests.make import P, behind, buy, prints, sell, stored
from tests.operators.engine import Engine
from tests.operators.random_tapes import long_tapes, rules
from tests.reference import run
from tests.reference_rules import Rules
from tests.reference_tape import Event


def deltas(*rows: P) -> list[float]:
    return (VolumeDelta()(prints(*rows)).delta / 10**6).tolist()


def test_buying_adds_selling_takes_off_and_the_unknown_does_neither() -> None:
    assert deltas(buy(0, 300), sell(1, 100), P(2, 900), behind(3, 50), sell(4, 0.5)) == [
        300, 200, 200, 200, 199.5,
    ]  # fmt: skip


def test_each_symbol_has_its_own() -> None:
    assert deltas(buy(0, 300), sell(1, 100, symbol="Y"), buy(2, 1)) == [300, -100, 301]


def test_a_new_phase_begins_at_nought_and_a_halt_does_not() -> None:
    halt = P(2, 500, verdict=AUCTION_REOPEN, resets=True)
    assert deltas(buy(0, 300), halt, sell(3, 100), sell(4, 70, resets=True)) == [300, 300, 200, -70]


def test_a_restored_run_goes_on() -> None:
    first = VolumeDelta()
    first(prints(buy(0, 300), buy(0, 7, symbol="Y")))
    again = VolumeDelta(stored(first.snapshot()))
    found = again(prints(sell(1, 1, symbol="Y"), sell(1, 100), names=("Y", "X"))).delta
    assert (found / 10**6).tolist() == [6, 200]


@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(long_tapes, rules, st.integers(1, 200))
def test_it_is_that_of_the_reference(tape: list[Event], tape_rules: Rules, size: int) -> None:
    shards: dict[int, VolumeDelta] = {}
    found: dict[str, list[int]] = {}

    def watch(chunk: Prints) -> None:
        shards.setdefault(id(chunk.names), VolumeDelta())(chunk)
        counted = chunk.verdict == COUNTED
        for code, delta in zip(
            chunk.rows["symbol"][counted].tolist(), chunk.delta[counted].tolist(), strict=True
        ):
            found.setdefault(chunk.names[code], []).append(delta)

    engine = Engine(tape_rules, watch=watch)
    for i in range(0, len(tape), size):
        engine.feed(*tape[i : i + size])
    expected: dict[str, list[int]] = {}
    for row in run(tape, tape_rules, rows=True).rows:
        if row.verdict == "counted":
            expected.setdefault(row.symbol, []).append(row.cvd)
    assert found == expected
