"""The lines of the JSONL logs: what the bot and the history read (the alert contract).

One struct a kind of line: its fields, in their order, are the line. The same struct reads the
line back for the history, so that a line of the wrong shape is known as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from operators.records import Alert, Coverage, Ledger, MarketWide, Reject
from sinks.iso import iso_utc

SCHEMA = 1
ALERT, REJECT, COVERAGE, RUN = "order_flow_alert", "reject", "coverage", "run"
ELIGIBILITY = "eligibility"

_encode = msgspec.json.Encoder().encode


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What alerts of this kind were worth on recorded days, by the newest scorecard.

    `symbol` is the one they were on, `*` where the scorecard has too little of this symbol and
    all of its symbols stand for it. `move_5m_bps` is the mean move of the mid within five minutes,
    `abnormal_5m_bps` that less the market's and the matched controls', with its 95 % interval
    (null with too few alerts or hours) and q-value; `lift` is how much likelier a fall was.
    """

    symbol: str
    n: int
    lift: float | None
    move_5m_bps: float | None
    abnormal_5m_bps: float | None
    low_bps: float | None
    high_bps: float | None
    q: float | None
    scorecard_id: str


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """One alert; `schema` grows by adding fields only. Times are ISO 8601, UTC."""

    event: str
    schema: int
    alert_id: str
    seq: int
    symbol: str
    alert_type: str
    severity: str
    timestamp_utc: str
    emitted_utc: str
    latency_ms: float | None
    feed: str
    mode: str
    session: str
    order_size: float | None
    price_level: float
    notional: float | None
    vwap: float | None
    prints: int | None
    venues: int | None
    bid: float | None
    ask: float | None
    quote_age_ms: float | None
    side_evidence: str | None
    volume_ratio: float | None
    volume_1m: float | None
    avg_volume_1m: float | None
    sell_share: float | None
    large_sells: int
    large_buys: int
    threshold: float
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    escalates: str | None
    valid_until: str | None
    late: bool
    first_ts_utc: str
    percentile: float | None = None
    baseline: float | None = None
    market_wide: MarketWide | None = None
    track_record: TrackRecord | None = None
    cvd: float | None = None
    ofi_60s: float | None = None
    book_imbalance: float | None = None
    message: str


class RejectLine(msgspec.Struct, frozen=True, kw_only=True):
    """One rejected message. `timestamp_utc` is null where no time could be read."""

    event: str
    schema: int
    seq: int
    symbol: str
    code: str
    fragment: str
    timestamp_utc: str | None
    emitted_utc: str


class CoverageLine(msgspec.Struct, frozen=True, kw_only=True):
    """One interval in which `symbol` (or `*`) was not fully seen."""

    event: str
    schema: int
    seq: int
    symbol: str
    from_utc: str
    to_utc: str
    cause: str
    refilled: bool
    emitted_utc: str


class EligibilityLine(msgspec.Struct, frozen=True, kw_only=True):
    """Prints of one symbol and day by verdict; the lines of a day add up."""

    event: str
    schema: int
    seq: int
    symbol: str
    day: str
    prints: dict[str, int]
    emitted_utc: str


class RunLine(msgspec.Struct, frozen=True, kw_only=True):
    """A run, at its start and once more, with its figures, at its end: the last line counts.

    `settings` never holds the API key. `how`: finished, stopped, failed, killed, or
    ended where nobody could tell; null while it runs.
    """

    event: str = RUN
    schema: int = SCHEMA
    seq: int = 0
    run_id: str
    started_utc: str
    feed: str
    settings: dict[str, Any]
    versions: dict[str, str]
    tape: tuple[str, ...]
    events: int | None = None
    alerts: int | None = None
    verdicts: dict[str, int] | None = None
    rejects: dict[str, int] | None = None
    ended_utc: str | None = None
    how: str | None = None
    emitted_utc: str = ""


def alert_line(
    alert: Alert, seq: int, emitted_ns: int, track_record: TrackRecord | None = None
) -> bytes:
    """Return the line of an alert; without a receipt time (a replay) its latency is null."""
    latency_ms = round((emitted_ns - alert.received_ns) / 1e6, 3) if alert.received_ns else None
    line = AlertLine(
        event=ALERT,
        schema=SCHEMA,
        alert_id=alert.alert_id,
        seq=seq,
        symbol=alert.symbol,
        alert_type=alert.alert_type,
        severity=alert.severity,
        timestamp_utc=iso_utc(alert.ts_ns),
        emitted_utc=iso_utc(emitted_ns),
        latency_ms=latency_ms,
        feed=alert.feed,
        mode=alert.mode,
        session=alert.session,
        order_size=alert.order_size,
        price_level=alert.price_level,
        notional=alert.notional,
        vwap=alert.vwap,
        prints=alert.prints,
        venues=alert.venues,
        bid=alert.bid,
        ask=alert.ask,
        quote_age_ms=alert.quote_age_ms,
        side_evidence=alert.side_evidence,
        volume_ratio=alert.volume_ratio,
        volume_1m=alert.volume_1m,
        avg_volume_1m=alert.avg_volume_1m,
        sell_share=alert.sell_share,
        large_sells=alert.large_sells,
        large_buys=alert.large_buys,
        threshold=alert.threshold,
        reasons=alert.reasons,
        evidence=alert.evidence,
        escalates=alert.escalates,
        valid_until=None if alert.valid_until_ns is None else iso_utc(alert.valid_until_ns),
        late=alert.late,
        first_ts_utc=iso_utc(alert.first_ns),
        percentile=alert.percentile,
        baseline=alert.baseline,
        market_wide=alert.market_wide,
        track_record=track_record,
        cvd=alert.cvd,
        ofi_60s=alert.ofi_60s,
        book_imbalance=alert.book_imbalance,
        message=alert.message,
    )
    return _encode(line)


def reject_line(reject: Reject, seq: int, emitted_ns: int) -> bytes:
    """Return the line of a rejected message; what is not text in it is spelled with escapes."""
    line = RejectLine(
        event=REJECT,
        schema=SCHEMA,
        seq=seq,
        symbol=_text(reject.symbol),
        code=reject.code,
        fragment=_text(reject.fragment),
        timestamp_utc=iso_utc(reject.ts_ns) if 0 < reject.ts_ns < 1 << 63 else None,
        emitted_utc=iso_utc(emitted_ns),
    )
    return _encode(line)


def coverage_line(coverage: Coverage, seq: int, emitted_ns: int) -> bytes:
    """Return the line of an interval that was not fully seen."""
    line = CoverageLine(
        event=COVERAGE,
        schema=SCHEMA,
        seq=seq,
        symbol=coverage.symbol,
        from_utc=iso_utc(coverage.from_ns),
        to_utc=iso_utc(coverage.to_ns),
        cause=coverage.cause,
        refilled=coverage.refilled,
        emitted_utc=iso_utc(emitted_ns),
    )
    return _encode(line)


def eligibility_line(ledger: Ledger, seq: int, emitted_ns: int) -> bytes:
    """Return the line of a symbol's day."""
    line = EligibilityLine(
        event=ELIGIBILITY,
        schema=SCHEMA,
        seq=seq,
        symbol=ledger.symbol,
        day=ledger.day,
        prints=ledger.prints,
        emitted_utc=iso_utc(emitted_ns),
    )
    return _encode(line)


def run_line(run: RunLine, seq: int, emitted_ns: int) -> bytes:
    """Return the line of a run, as it stands now."""
    return _encode(msgspec.structs.replace(run, seq=seq, emitted_utc=iso_utc(emitted_ns)))


def event_line(event: str, emitted_ns: int, fields: Mapping[str, Any]) -> bytes:
    """Return a line beside the numbered stream: heartbeat, feed_blind, feed_restored."""
    return _encode({"event": event, "seq": None, **fields, "emitted_utc": iso_utc(emitted_ns)})


def _text(text: str) -> str:
    """Return `text` with what UTF-8 cannot say (half of a surrogate pair) spelled out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
