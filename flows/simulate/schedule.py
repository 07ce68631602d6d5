"""The programme of the synthetic day: which story, on which symbol, at what time."""

from __future__ import annotations

from typing import NamedTuple

from flows.simulate.planting import (
    BURST,
    BURST_CRITICAL,
    EXIT,
    SELLER,
    SELLER_CRITICAL,
    Expected,
)
from flows.simulate.prints import (
    AVERAGE_PRICE,
    CONTINGENT,
    DERIVATIVE,
    OUT_OF_SEQUENCE,
    PRIOR_REFERENCE,
    QUALIFIED_CONTINGENT,
)
from flows.simulate.stories import (
    Story,
    burst,
    buyer,
    cluster,
    halted,
    interrupted,
    locked_seller,
    midpoint_block,
    off_market,
    seller,
    sent_twice,
    silent_block,
    two_parents,
)

FALL_AT = "14:20:00"
FALL_SECONDS, FALL_RETURN = 120, -0.009
RECOVERY_SECONDS, RECOVERED = 900, 0.4  # of the fall

_SURGE = (BURST, BURST_CRITICAL, EXIT)  # a burst that builds up to critical
_SHOCK = (BURST_CRITICAL, EXIT)  # one that is critical at its first print over the bar


class Scene(NamedTuple):
    """A story at a New York time on a symbol."""

    at: str
    symbol: str
    story: Story


def _fall(ratio: float, expected: tuple[Expected, ...]) -> Story:
    """Return a symbol's part in the market-wide fall."""
    why = f"The whole market falls 0.9 % in two minutes; here volume reaches {ratio:g} x."
    return burst(ratio, expected, seconds=50, kind="market_fall", why=why)


_LOW_PRICED = (
    Scene("09:47:00", "ZORB", seller(12_400)),
    Scene("10:32:00", "ZORB", seller(14_150, prints=12)),
    Scene("11:44:00", "ZORB", seller(9_999, expected=(), kind="large_seller_below",
          why="9,999 shares hit the bid: one share below the threshold.")),
    Scene("13:12:00", "ZORB", seller(9_860, prints=9, expected=(), kind="large_seller_below",
          why="9,860 shares in a run over venues: just below the threshold.")),
    Scene("15:36:00", "ZORB", seller(24_600, prints=24, expected=(SELLER, SELLER_CRITICAL),
          kind="large_seller_escalating",
          why="A run over venues passes 10,000 shares, then 20,000: warning, then critical.")),
    Scene("09:12:00", "QALT", seller(12_000, expected=(), kind="pre_market_seller",
          why="12,000 shares hit the bid at 09:12 (Form T): outside the regular session.")),
    Scene("10:05:00", "QALT", cluster((10_500, 11_200, 10_800), 47,
          (SELLER, SELLER, SELLER, EXIT))),
    Scene("11:30:00", "QALT", buyer(24_000)),
    Scene("13:41:00", "QALT", interrupted(12_500)),
    Scene("15:11:00", "QALT", seller(10_000, prints=2,
          why="Exactly 10,000 shares: the threshold is inclusive.")),
    Scene("10:21:00", "VYKA", burst(3.45, (BURST,))),
    Scene("11:52:00", "VYKA", silent_block(60_000, "average_price", AVERAGE_PRICE,
          "60,000 shares at an average price (2): the executions came earlier.", stale_s=1_800)),
    Scene("12:31:00", "VYKA", silent_block(85_000, "contingent", QUALIFIED_CONTINGENT,
          "85,000 shares, the stock leg of a package (53): nobody hit the bid.")),
    Scene("13:29:00", "VYKA", locked_seller(11_500)),
    Scene("14:50:00", "VYKA", midpoint_block(12_000)),
    Scene("15:44:00", "VYKA", seller(22_600, prints=18, expected=(SELLER, SELLER_CRITICAL),
          kind="large_seller_escalating",
          why="A run over venues passes 10,000 shares, then 20,000: warning, then critical.")),
    Scene("10:46:00", "JUNQ", silent_block(48_000, "contingent", CONTINGENT,
          "48,000 shares, contingent (52): priced by something else.")),
    Scene("11:15:00", "JUNQ", silent_block(18_000, "late_print", 0,
          "18,000 shares at the bid, executed 7 s before the report, without a late condition.",
          stale_s=7)),
    Scene("12:10:00", "JUNQ", silent_block(22_000, "late_print", OUT_OF_SEQUENCE,
          "22,000 shares at the bid, reported out of sequence (32) 19 s late.", stale_s=19)),
    Scene("12:52:00", "JUNQ", silent_block(30_000, "derivatively_priced", DERIVATIVE,
          "30,000 shares priced by a benchmark (10).")),
    Scene("13:20:00", "JUNQ", silent_block(25_000, "prior_reference", PRIOR_REFERENCE,
          "25,000 shares at a prior reference price (22).", stale_s=900)),
    Scene("13:58:00", "JUNQ", sent_twice(7_000)),
    Scene("15:02:00", "JUNQ", two_parents(11_000)),
    Scene("15:26:00", "JUNQ", burst(5.2, _SURGE)),
)  # fmt: skip

_LIQUID = (
    Scene("10:15:00", "XELM", seller(38_000, expected=(SELLER_CRITICAL, *_SHOCK),
          why="38,000 shares in one print: critical at once, and a burst by itself.")),
    Scene("13:01:00", "XELM", burst(5.0, (), side=1, kind="green_burst",
          why="Volume at 5 x its average, but buyers: not a red burst.")),
    Scene("10:51:00", "KRVO", burst(3.45, (BURST,))),
    Scene("12:41:00", "KRVO", cluster((18_400, 10_400, 12_100), 50,
          (SELLER, *_SHOCK, SELLER, SELLER, EXIT))),
    Scene("15:16:00", "KRVO", off_market(16_000)),
    Scene("11:21:00", "QIRA", burst(5.6, _SURGE)),
    Scene("15:33:00", "QIRA", burst(2.5, (), kind="red_burst_below",
          why="Volume at 2.5 x its average: below the spike threshold.")),
    Scene("12:22:00", "WEXO", burst(3.6, (BURST,))),
    Scene("15:06:00", "WEXO", burst(6.1, _SURGE)),
    Scene("13:50:00", "BOQE", halted(5, 30_000, 24_000)),
    Scene("11:06:00", "FYLO", buyer(15_000, prints=14)),
)  # fmt: skip

_OTHERS = (
    Scene("11:36:00", "DRUQ", burst(12.0, _SHOCK, shares=6_500, why="6,500 shares and more in a"
          " symbol that trades a few hundred a minute: critical as soon as 5,000 are reached.")),
    Scene("10:56:00", "UQEN", seller(3_200, prints=3, expected=(), kind="dear_seller",
          why="3,200 shares worth two million dollars: below the share threshold of fixed mode.")),
    Scene("15:41:00", "NYQO", seller(10_500, expected=(SELLER, *_SHOCK),
          why="10,500 shares in a thin symbol: a seller and a burst in one print.")),
)  # fmt: skip

_MARKET_FALL = tuple(
    Scene(FALL_AT, symbol, _fall(ratio, expected))
    for symbol, ratio, expected in (
        ("ZORB", 3.4, (BURST,)),
        ("QALT", 3.5, (BURST,)),
        ("VYKA", 2.6, ()),
        ("JUNQ", 4.9, _SURGE),
        ("XELM", 3.4, (BURST,)),
        ("KRVO", 3.5, (BURST,)),
        ("QIRA", 2.5, ()),
        ("WEXO", 5.2, _SURGE),
        ("BOQE", 3.6, (BURST,)),
        ("FYLO", 4.8, _SURGE),
    )
)

SCENES: tuple[Scene, ...] = (*_LOW_PRICED, *_LIQUID, *_OTHERS, *_MARKET_FALL)
"""Stories of a symbol are eight minutes or more apart: each finds a clean five-minute average."""
