"""A level of the book that fired, as the record the alerts are made of."""

from __future__ import annotations

from typing import Any

from operators.books import imbalance_of
from operators.exit_signal import money
from operators.records import Firing, Resting
from operators.sessions import Sessions, phase_name
from operators.ticks import MICRO, MS


def level_key(price: float) -> str:
    """Return what stands in an alert id for the trade key: `224.00|ask`."""
    return f"{money(price)}|ask"


def resting_firing(event: dict[str, Any], names: list[str], sessions: Sessions) -> Firing:
    """Return the firing of a row of RESTING, given by field.

    Its quote is the book itself, so that is never old; of volumes it says nothing.
    """
    price = event["price"] / MICRO
    return Firing(
        symbol=names[event["symbol"]],
        ts_ns=event["ts_ns"],
        received_ns=0,
        trade_key=level_key(price),
        price=price,
        bid=event["bid"] / MICRO if event["bid"] > 0 else None,
        ask=event["ask"] / MICRO,
        quote_age_ms=0.0,
        side_evidence=None,
        session=phase_name(sessions, event["ts_ns"] // MS),
        parent=None,
        burst=0,
        burst_escalates=False,
        burst_first_ns=0,
        volume_1m=None,
        avg_volume_1m=None,
        volume_ratio=None,
        sell_share=None,
        imbalance=imbalance_of(event["imbalance"]),
        resting=Resting(
            event["kind"], event["size"] / MICRO, event["first_ns"], bool(event["escalates"])
        ),
    )
