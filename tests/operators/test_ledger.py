"""The account of every print, by symbol, day and verdict (detectors.md section 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from operators.eligibility import Eligibility, EligibilityRules
from operators.ledger import ledger_of
from operators.nbbo import Nbbo
from operators.sessions import parse_sessions
from tests.make import Tape, stored, trade
from tests.operators.random_tapes import long_tape
from tests.reference import run
from tests.reference_rules import Rules
from tests.reference_tape import Event, Gap

DAY_MS = 86_400_000
RULES = EligibilityRules(parse_sessions("regular"), 1_000)
Account = Counter[tuple[str, str, str]]


def accounted(
    *chunks: Sequence[Event], restart: bool = False
) -> tuple[list[tuple[str, str]], Account]:
    """The symbols and days told, in order, and all prints by symbol, day and verdict."""
    tape, quotes, judge = Tape(), Nbbo(), Eligibility(RULES)
    told: list[tuple[str, str]] = []
    account: Account = Counter()

    def note(chunk: Any) -> None:
        for symbol, ledger in ledger_of(chunk):
            told.append((symbol, ledger.day))
            account.update({(symbol, ledger.day, v): n for v, n in ledger.prints.items() if n})

    for events in chunks:
        note(judge(quotes(tape.ticks(*events))))
        if restart:
            judge = Eligibility(RULES, stored(judge.snapshot()))
            quotes = Nbbo(stored(quotes.snapshot()))
    last = judge.finish()
    if last is not None:
        note(last)
    return told, account


def test_a_day_is_told_when_the_next_begins_and_the_last_at_the_end() -> None:
    tape = [trade(0), trade(1, conditions=(24,)), trade(DAY_MS), trade(0, symbol="Y")]
    told, account = accounted(tape)
    assert told == [("X", "2024-01-02"), ("X", "2024-01-03"), ("Y", "2024-01-02")]
    assert account == {
        ("X", "2024-01-02", "counted"): 1,
        ("X", "2024-01-02", "block"): 1,
        ("X", "2024-01-03", "counted"): 1,
        ("Y", "2024-01-02", "counted"): 1,
    }


def test_a_tape_without_prints_has_no_account() -> None:
    assert accounted([Gap("X")]) == ([], {})


@pytest.mark.parametrize("restart", [False, True])
def test_every_print_is_in_the_account_once(restart: bool) -> None:
    """As the reference counts them, whatever the chunks and the restarts between them."""
    for seed in range(5):
        tape = long_tape(seed, 400)
        theirs: Account = Counter()
        for (symbol, _, verdict), n in run(tape, Rules()).verdicts.items():
            if verdict != "rejected":
                theirs[symbol, verdict, ""] += n
        events = [event for event in tape if not (isinstance(event, Gap) and event.symbol == "*")]
        chunks = [events[i : i + 61] for i in range(0, len(events), 61)]
        mine: Account = Counter()
        for (symbol, _, verdict), n in accounted(*chunks, restart=restart)[1].items():
            mine[symbol, verdict, ""] += n
        assert mine == theirs
