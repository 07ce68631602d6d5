"""The vendor's own clients against the mock: what they accept and return proves it faithful."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from polygon import RESTClient, WebSocketClient
from polygon.exceptions import AuthError, BadResponse

from flows.mock import MockPolygon
from tests.flows.mock import tapes
from tests.flows.mock.tapes import NINE_THIRTY_NS, at, small_tape, write_tape


def websocket_client(mock: MockPolygon, *topics: str, **options: Any) -> WebSocketClient:
    host = mock.ws_url.removeprefix("ws://")
    return WebSocketClient(
        options.pop("key", mock.key),
        feed=host,
        secure=False,
        subscriptions=list(topics),
        **options,
    )


def received(client: WebSocketClient) -> list[Any]:
    """Run a client until the server closes, and return all it hands over."""
    handed: list[Any] = []

    async def keep(message: Any) -> None:
        handed.append(message)

    asyncio.run(client.connect(keep, proxy=None))
    return handed


def test_the_raw_client_gets_every_event_of_the_tape_in_order(tmp_path: Path) -> None:
    with MockPolygon([small_tape(tmp_path)], at_end="close") as mock:
        frames = received(websocket_client(mock, "T.*", "Q.*", raw=True))
    parsed = [event for frame in frames for event in json.loads(frame)]
    acks = [event["message"] for event in parsed if event["ev"] == "status"]
    data = [event for event in parsed if event["ev"] != "status"]
    assert sorted(acks) == ["subscribed to: Q.*", "subscribed to: T.*"]
    assert [(e["ev"], e["sym"], e["q"]) for e in data if e["ev"] == "T"] == [
        ("T", ("AAPL", "MSFT")[i % 2], i // 2 + 1) for i in range(200)
    ]
    assert sum(event["ev"] == "Q" for event in data) == 400
    assert [event["t"] for event in data] == sorted(event["t"] for event in data)


def test_the_parsing_client_gets_the_vendors_models(tmp_path: Path) -> None:
    write_tape(
        tmp_path / "t.parquet",
        (*tapes.TRADES, "conditions", "exchange", "id", "trf_id"),
        ("AAPL", at(0.9), 175.5, 24_100, [14, 41], "D", "71675222901845", 202),
    )
    write_tape(tmp_path / "q.parquet", tapes.QUOTES, ("AAPL", at(1), 175.5, 200, float("nan"), 0))
    with MockPolygon([tmp_path], at_end="close") as mock:
        handed = received(websocket_client(mock, "T.AAPL", "Q.AAPL"))
    trade, quote = [model for models in handed for model in models]
    open_ms = NINE_THIRTY_NS // 1_000_000
    assert vars(trade) == {
        "event_type": "T",
        "symbol": "AAPL",
        "exchange": 4,
        "id": "71675222901845",
        "tape": 0,
        "price": 175.5,
        "size": 24_100,
        "conditions": [14, 41],
        "timestamp": open_ms,
        "sequence_number": 1,
        "trf_id": 202,
        "trf_timestamp": None,
    }
    assert (quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size) == (175.5, 200, 0, 0)
    assert (quote.symbol, quote.timestamp, quote.condition) == ("AAPL", open_ms + 1, 1)


def test_the_client_understands_a_wrong_key() -> None:
    with MockPolygon() as mock, pytest.raises(AuthError, match="authentication failed"):
        received(websocket_client(mock, "T.*", key="wrong"))


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Write five trades and a quote of one symbol, one of them the day before."""
    write_tape(
        tmp_path / "t.parquet",
        (*tapes.TRADES, "conditions", "exchange", "participant_ns"),
        ("BRK.B", at(-86_400_000), 1.0, 1, None, "N", None),
        *(("BRK.B", at(ms) + 1, 2.0 + ms, 0.5, [12], "P", at(ms)) for ms in (0, 1, 1, 2)),
    )
    write_tape(tmp_path / "q.parquet", tapes.QUOTES, ("BRK.B", at(1), 1.5, 100, 1.6, 200))
    return tmp_path


@pytest.fixture
def mock(tape: Path) -> Iterator[MockPolygon]:
    """Serve it, all of it printed."""
    with MockPolygon([tape], plan=("T", "Q"), wait=False) as mock:
        assert mock.finished.wait(5)
        yield mock


def rest_client(mock: MockPolygon, key: str = "mock-key") -> RESTClient:
    return RESTClient(key, base=mock.rest_url, retries=0)


def test_trades_are_listed_over_all_pages(mock: MockPolygon) -> None:
    trades = list(rest_client(mock).list_trades("BRK.B", order="asc", limit=2))
    assert [trade.id for trade in trades] == ["#1", "#2", "#3", "#4", "#5"]
    assert vars(trades[1]) == {
        "conditions": [12],
        "exchange": 11,
        "id": "#2",
        "participant_timestamp": NINE_THIRTY_NS,
        "price": 2.0,
        "sequence_number": 2,
        "sip_timestamp": NINE_THIRTY_NS + 1,
        "size": 0.5,
        "tape": 0,
    }


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, ["#5", "#4", "#3", "#2", "#1"]),
        ({"limit": 3}, ["#5", "#4", "#3", "#2", "#1"]),
        ({"timestamp": "2026-11-20", "order": "asc"}, ["#2", "#3", "#4", "#5"]),
        ({"timestamp": at(1) + 1}, ["#4", "#3"]),
        ({"timestamp_gte": at(1) + 1, "order": "asc", "limit": 1}, ["#3", "#4", "#5"]),
        ({"timestamp_gt": at(1) + 1}, ["#5"]),
        ({"timestamp_gte": at(0), "timestamp_lt": at(1) + 1}, ["#2"]),
        ({"timestamp_gte": at(0), "timestamp_lte": at(1) + 1}, ["#4", "#3", "#2"]),
    ],
)
def test_a_time_range_is_kept_to_on_every_page(
    mock: MockPolygon, asked: dict[str, Any], ids: list[str]
) -> None:
    assert [trade.id for trade in rest_client(mock).list_trades("BRK.B", **asked)] == ids


def test_quotes_are_listed(mock: MockPolygon) -> None:
    (quote,) = rest_client(mock).list_quotes("BRK.B")
    assert vars(quote) == {
        "ask_exchange": 0,
        "ask_price": 1.6,
        "ask_size": 200,
        "bid_exchange": 0,
        "bid_price": 1.5,
        "bid_size": 100,
        "conditions": [1],
        "sequence_number": 1,
        "sip_timestamp": at(1),
        "tape": 0,
    }
    assert list(rest_client(mock).list_quotes("NOBODY")) == []


def test_conditions_are_listed_over_all_pages(mock: MockPolygon) -> None:
    client = rest_client(mock)
    conditions = list(client.list_conditions(asset_class="stocks", data_type="trade"))
    assert len({condition.id for condition in conditions}) == len(conditions) == 55
    (close,) = client.list_conditions(id=15)
    rules = close.update_rules
    assert (close.name, close.sip_mapping.CTA) == ("Market Center Official Close", "M")
    assert rules.consolidated.updates_volume is False
    assert rules.market_center.updates_open_close is True


def test_the_market_status_is_read(mock: MockPolygon) -> None:
    status = rest_client(mock).get_market_status()
    assert (status.market, status.exchanges.nyse, status.after_hours) == ("open", "open", False)
    assert status.server_time.endswith(("-05:00", "-04:00"))


def test_a_wrong_key_and_a_missing_plan_are_refused(mock: MockPolygon, tape: Path) -> None:
    with pytest.raises(BadResponse, match='"Unknown API Key"'):
        next(rest_client(mock, "wrong").list_trades("BRK.B"))
    with MockPolygon([tape], plan=("T",), wait=False) as trades_only:
        assert trades_only.finished.wait(5)
        assert len(list(rest_client(trades_only).list_trades("BRK.B"))) == 5
        with pytest.raises(BadResponse, match="NOT_AUTHORIZED"):
            next(rest_client(trades_only).list_quotes("BRK.B"))
