"""What flows in the cool half: a few records a minute, one at a time, keyed by symbol."""

from __future__ import annotations

import msgspec

SELLER_WARNING, SELLER_CRITICAL, LARGE_BUYER = 1, 2, 3
BURST_WARNING, BURST_CRITICAL = 1, 2

# Causes of gaps that lie within a connection, or before the first one; all others end one.
SHED, UNSUBSCRIBED, SUSPENDED, STARTED = "shed", "unsubscribed", "suspended", "started"
WITHIN_CONNECTION = frozenset((SHED, UNSUBSCRIBED, SUSPENDED, STARTED))


class Reject(msgspec.Struct, frozen=True, gc=False):
    """A message that was not understood (detectors.md section 8).

    `fragment` is the offending text, at most 512 bytes; `ts_ns` the event time if it could be
    read, else the receipt time, else 0.
    """

    symbol: str
    code: str
    fragment: str
    ts_ns: int


class Coverage(msgspec.Struct, frozen=True, gc=False):
    """An interval in which `symbol` (or `*`) was not fully seen. Times in ns since epoch."""

    symbol: str
    from_ns: int
    to_ns: int
    cause: str
    refilled: bool


class Lagging(msgspec.Struct, frozen=True):
    """The feed begins to lag: an event came so much later than others of its connection."""

    symbol: str
    ts_ns: int
    lag_ns: int


class UnknownCondition(msgspec.Struct, frozen=True):
    """A sale condition id without a class was met for the first time."""

    condition: int


Notice = Lagging | UnknownCondition
"""What a person should be told once, beside the data."""


class Ledger(msgspec.Struct, frozen=True, gc=False):
    """Prints of one symbol and day by what became of them; the records of a day add up.

    `day` is `YYYY-MM-DD`; `prints` is by verdict, without those that none met.
    """

    symbol: str
    day: str
    prints: dict[str, int]


class Parent(msgspec.Struct, frozen=True, gc=False):
    """A parent order at the print on which it reached a threshold.

    `kind`: SELLER_WARNING, SELLER_CRITICAL or LARGE_BUYER. Sizes in shares, money in dollars.
    `number` counts the runs of the symbol, so that an escalation finds its first alert; it is
    negative for a print that is a parent by itself. Adaptive mode: `threshold` in shares, and
    the percentile of the symbol's parents it was, None while too few are known.
    """

    kind: int
    number: int
    size: float
    notional: float
    vwap: float
    prints: int
    venues: int
    first_ns: int
    threshold: float | None = None
    percentile: float | None = None


class MarketWide(msgspec.Struct, frozen=True, gc=False):
    """Whether a fall is the market's: returns of the last 60 s in basis points, null if unknown.

    `source` says what `is_market_wide` was judged by: `SPY` (beta times its return against the
    symbol's), `breadth` (the share of the `symbols` that traded which were sold on balance), or
    nothing, and then it is null. `residual_bps` is the return less beta times the market's.
    """

    return_60s_bps: float | None
    market_return_60s_bps: float | None
    beta: float | None
    residual_bps: float | None
    net_selling_share: float | None
    symbols: int
    source: str | None
    is_market_wide: bool | None


class Resting(msgspec.Struct, frozen=True, gc=False):
    """An ask level as it reached a threshold. `size` in shares, displayed.

    `kind`: SELLER_WARNING or SELLER_CRITICAL. `first_ns` is the time of its first alert, which
    this one escalates or is.
    """

    kind: int
    size: float
    first_ns: int
    escalates: bool


class Firing(msgspec.Struct, frozen=True, gc=False):
    """A print on which at least one rule fired, with all that an alert says about it.

    `trade_key` is spelled as in the alert id. `bid` and `ask` are None without a quote.
    `burst`: 0, BURST_WARNING or BURST_CRITICAL, which escalates an earlier alert or not.
    `resting`: no print fired but a level of the book, whose price is `price`, and which `resting`
    describes. `imbalance`: of the book then, None without depth.
    `volume_1m` and `avg_volume_1m` in shares; `sell_share` of the classified volume.
    `baseline`: what adaptive mode held `volume_1m` against, shares a minute.
    `cvd`, `ofi_60s` in shares, None (and so `market_wide`) where context is off.
    `late`: only a refill revealed it; `warming`: from before the run, to be remembered, not said.
    """

    symbol: str
    ts_ns: int
    received_ns: int
    trade_key: str
    price: float
    bid: float | None
    ask: float | None
    quote_age_ms: float | None
    side_evidence: str | None
    session: str
    parent: Parent | None
    burst: int
    burst_escalates: bool
    burst_first_ns: int
    volume_1m: float | None
    avg_volume_1m: float | None
    volume_ratio: float | None
    sell_share: float | None
    late: bool = False
    warming: bool = False
    baseline: float | None = None
    cvd: float | None = None
    ofi_60s: float | None = None
    market_wide: MarketWide | None = None
    imbalance: float | None = None
    resting: Resting | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One alert, before the sink numbers and stamps it. Field meanings: the alert contract.

    Times are ns since epoch; the sink's line shows them in ISO 8601, UTC.
    """

    alert_id: str
    symbol: str
    alert_type: str
    severity: str
    ts_ns: int
    received_ns: int
    feed: str
    mode: str
    session: str
    order_size: float | None = None
    price_level: float
    notional: float | None = None
    vwap: float | None = None
    prints: int | None = None
    venues: int | None = None
    bid: float | None
    ask: float | None
    quote_age_ms: float | None
    side_evidence: str | None
    volume_ratio: float | None = None
    volume_1m: float | None = None
    avg_volume_1m: float | None = None
    sell_share: float | None = None
    large_sells: int
    large_buys: int
    threshold: float
    reasons: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    escalates: str | None = None
    valid_until_ns: int | None = None
    late: bool = False
    first_ns: int
    percentile: float | None = None
    baseline: float | None = None
    cvd: float | None = None
    ofi_60s: float | None = None
    market_wide: MarketWide | None = None
    book_imbalance: float | None = None
    message: str
