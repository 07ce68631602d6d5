"""The side rule against the truth, beside the textbook's rules and two other packages.

Needs the folder of the private tapes in ORDER_FLOW_REAL_DATA. Accuracy is of all prints with a
known side; undecided is wrong. `certain` is what our rule calls certain.
"""

from __future__ import annotations

import functools
from pathlib import Path

import duckdb
import numpy as np
import pytest

from flows.feeds.tape import TapeFeed
from flows.feeds.tape_files import open_tapes
from flows.orderflow import rules_of
from flows.pipeline import Pipeline
from flows.scorecard.recorded import chunks
from flows.settings import Settings
from flows.warm_up import warm_up
from operators.aggressor import AT_QUOTE, SIDE_RULES
from operators.nbbo import Prints
from operators.verdicts import COUNTED
from tests.textbook_sides import TEXTBOOK, Tape, clnv, emo, lee_ready, quote, read_tape, tick

pytestmark = pytest.mark.real_data

TAPES = {
    "lobster_AAPL_20120621": "AAPL 2012-06-21",
    "lobster_AMZN_20120621": "AMZN 2012-06-21",
    "xnas_SOUN_20250502": "SOUN 2025-05-02",
    "crypto_WIFUSDT_20260412": "WIFUSDT 2026-04-12",
}
LOBSTER = [name for name in TAPES if name.startswith("lobster")]
README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module", autouse=True)
def _kernels() -> None:
    warm_up(lambda _: None)


def files_of(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.trades.parquet", folder / f"{name}.quotes.parquet"


@functools.cache
def tape_of(folder: Path, name: str) -> Tape:
    return read_tape(*files_of(folder, name))


@functools.cache
def our_sides(folder: Path, name: str, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the side of each print by our rule, and whether it is certain."""
    sides, certain = [], []

    def note(chunk: Prints) -> None:
        sides.append(chunk.side.copy())
        certain.append((chunk.evidence == AT_QUOTE) & (chunk.verdict == COUNTED))

    sessions = "all" if name.startswith("crypto") else "regular"
    pipeline = Pipeline(rules_of(Settings(sessions=sessions, side_rule=rule), "replay"), note)
    feed = TapeFeed(open_tapes([str(path) for path in files_of(folder, name)]))
    for ticks in chunks(feed):
        pipeline(ticks)
    return np.concatenate(sides), np.concatenate(certain)


def accuracy(sides: np.ndarray, tape: Tape, among: np.ndarray | None = None) -> float:
    known = tape.truth != 0
    if among is not None:
        known &= among
    return float((sides[known] == tape.truth[known]).mean())


def readme_row(folder: Path, name: str) -> str:
    tape, (ours, certain) = tape_of(folder, name), our_sides(folder, name, "clnv")
    known = tape.truth != 0
    figures = [
        accuracy(ours, tape),
        accuracy(ours, tape, certain),
        float(certain[known].mean()),
        *(accuracy(rule(tape), tape) for rule in (quote, tick, lee_ready, emo, clnv)),
    ]
    digits = (1, 2, 1, 1, 1, 1, 1, 1)
    cells = " | ".join(f"{100 * x:.{n}f}" for x, n in zip(figures, digits, strict=True))
    return f"| {TAPES[name]} | {int(known.sum()):,} | {cells} |"


@pytest.mark.parametrize("name", TAPES)
def test_the_readme_tells_what_was_measured(real_data: Path, name: str) -> None:
    assert readme_row(real_data, name) in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LOBSTER)
def test_our_rule_is_as_good_as_it_must_be(real_data: Path, name: str) -> None:
    tape, (ours, certain) = tape_of(real_data, name), our_sides(real_data, name, "clnv")
    assert len(ours) == len(tape.truth)
    assert accuracy(ours, tape) >= 0.955
    assert accuracy(ours, tape, certain) >= 0.999
    assert accuracy(clnv(tape), tape) >= 0.955


@pytest.mark.parametrize("name", TAPES)
@pytest.mark.parametrize("rule", SIDE_RULES)
def test_our_steps_around_a_rule_do_it_no_harm(real_data: Path, name: str, rule: str) -> None:
    """Steps 1 and 3 may only help; a tenth of a percent is what out-of-order prints may cost."""
    tape = tape_of(real_data, name)
    ours, _ = our_sides(real_data, name, rule)
    assert accuracy(ours, tape) >= accuracy(TEXTBOOK[rule](tape), tape) - 0.001


@pytest.mark.parametrize("name", LOBSTER)
def test_the_textbook_rules_are_those_of_other_packages(real_data: Path, name: str) -> None:
    """Print by print, but where they compare binary floats and the price lies on the border.

    tclf takes a price within 1e-5 of a quote for the quote (EMO), and both packages miss
    midpoints that no binary float can hold.
    """
    tape = tape_of(real_data, name)
    with duckdb.connect() as db:
        theirs = db.execute(
            "select * from read_parquet(?) where symbol = ? order by seq",
            [str(real_data / "reference/lobster_sides_tclf_and_R.parquet"), name.split("_")[1]],
        ).fetchnumpy()
    order = np.argsort(tape.order)
    assert np.array_equal(tape.order[order], theirs["seq"])
    assert np.array_equal(tape.truth[order], theirs["side"])
    price, bid, ask = (column[order] for column in tape[:3])
    unquoted = bid == 0
    middle = (2 * price == bid + ask) | unquoted
    near = np.minimum(np.abs(price - bid), np.abs(price - ask))
    zone = 10 * near == 3 * (ask - bid)
    borders = {
        "tclf_quote": (quote, middle),
        "tclf_tick": (tick, unquoted & False),
        "tclf_lr": (lee_ready, middle),
        "r_highfrequency_lr": (lee_ready, middle),
        "tclf_emo": (emo, near <= 1e-5 * price),
        "tclf_clnv": (clnv, zone | unquoted),
    }
    for column, (rule, border) in borders.items():
        ours = rule(tape)[order]
        differ = ours != theirs[column]
        assert differ.mean() < 0.004, column
        assert border[differ].all(), column


@pytest.mark.parametrize("name", LOBSTER)
def test_lee_ready_is_right_on_every_visible_execution(real_data: Path, name: str) -> None:
    """As a third implementation has it at stamps of nanoseconds."""
    with duckdb.connect() as db:
        said = db.execute(
            "select n, accuracy_trades from read_csv(?) where symbol = ?"
            " and timestamp_precision = 'ns' and method = 'lee_ready'",
            [str(real_data / "reference/jurkatis_classifytrades_accuracy.csv"), name.split("_")[1]],
        ).fetchone()
        visible = db.execute(
            "select seq from read_parquet(?) where symbol = ? and event_type = 4",
            [str(real_data / "reference/lobster_sides_tclf_and_R.parquet"), name.split("_")[1]],
        ).fetchnumpy()["seq"]
    tape = tape_of(real_data, name)
    among = np.isin(tape.order, visible)
    assert said == (int(among.sum()), 1.0)
    assert accuracy(lee_ready(tape), tape, among) == 1.0


@pytest.mark.parametrize(
    "name",
    [
        "taq_ETR_20190508",
        "lean_IBM_20131007",
        "lean_IBM_20131008",
        "lean_BAC_20131008",
        "lean_AIG_20131008",
    ],
)
def test_prints_lie_about_the_quote_before_them_as_others_found(real_data: Path, name: str) -> None:
    """In the regular session (13:30 to 20:00 UTC), with the quote strictly before the print."""
    tape = tape_of(real_data, name)
    with duckdb.connect() as db:
        theirs = db.execute(
            "select n, below, at_bid, inside, at_ask, above, at_mid, qr_sell_share_vol, vol"
            ' from read_csv(?) where "set" = ? and "join" = \'<\'',
            [str(real_data / "reference/nbbo_position_shares.csv"), name],
        ).fetchone()
    hours = tape.ts_ns % 86_400_000_000_000 / 3.6e12
    regular = (hours >= 13.5) & (hours < 20)
    price, bid, ask, size = (c[regular] for c in (tape.price, tape.bid, tape.ask, tape.size))
    where = [
        price < bid, price == bid, (price > bid) & (price < ask), price == ask, price > ask,
        2 * price == bid + ask,
    ]  # fmt: skip
    side = quote(tape)[regular]
    sold = float(size[side < 0].sum() / size[side != 0].sum())
    ours = [round(share, 5) for share in (*(float(w.mean()) for w in where), sold)]
    assert theirs == (len(price), *ours, float(size.sum()))
