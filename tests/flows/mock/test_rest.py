"""The REST routes below the client: status codes, shapes, and what a page link holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import urllib3

from flows.mock import MockPolygon
from tests.flows.mock.tapes import small_tape


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[MockPolygon]:
    """Serve two symbols, 100 trades each, all of them printed."""
    tape = small_tape(tmp_path)
    with MockPolygon([tape], plan=("T",), market="extended-hours", wait=False) as mock:
        assert mock.finished.wait(5)
        yield mock


def get(mock: MockPolygon, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    with urllib3.PoolManager() as pool:
        return pool.request("GET", mock.rest_url + path, headers=headers)


def test_the_key_comes_as_a_header_or_in_the_query(mock: MockPolygon) -> None:
    path = "/v3/trades/AAPL"
    assert get(mock, path, Authorization="Bearer mock-key").status == 200
    assert get(mock, path + "?apiKey=mock-key").status == 200


@pytest.mark.parametrize(
    ("path", "code", "says"),
    [
        ("/v3/trades/AAPL", 401, '"error":"API Key was not provided"'),
        ("/v3/trades/AAPL?apiKey=wrong", 401, '"error":"Unknown API Key"'),
        ("/v3/quotes/AAPL?apiKey=mock-key", 403, '"status":"NOT_AUTHORIZED"'),
        ("/v2/ticks/AAPL?apiKey=mock-key", 404, "404 page not found"),
        ("/v3/trades/AAPL?apiKey=mock-key&limit=0", 400, "'limit' must be a number"),
        ("/v3/trades/AAPL?apiKey=mock-key&order=up", 400, "'order' must be asc or desc"),
        ("/v3/trades/AAPL?apiKey=mock-key&timestamp=now", 400, "'timestamp' must be YYYY-MM-DD"),
        ("/v3/trades/AAPL?apiKey=mock-key&cursor=e30=", 400, "'cursor' is not one"),
    ],
)
def test_what_is_refused(mock: MockPolygon, path: str, code: int, says: str) -> None:
    response = get(mock, path)
    assert response.status == code
    assert says in response.data.decode()


def test_the_next_page_is_an_absolute_link_without_the_key(mock: MockPolygon) -> None:
    page = msgspec.json.decode(get(mock, "/v3/trades/AAPL?apiKey=mock-key&limit=60").data)
    link = page["next_url"]
    assert link.startswith(f"{mock.rest_url}/v3/trades/AAPL?cursor=")
    assert "mock-key" not in link
    path = link.removeprefix(mock.rest_url)
    last = msgspec.json.decode(get(mock, path, Authorization="Bearer mock-key").data)
    assert len(page["results"]) == 60
    assert len(last["results"]) == 40
    assert "next_url" not in last


def test_a_symbol_nobody_knows_has_no_trades(mock: MockPolygon) -> None:
    answer = msgspec.json.decode(get(mock, "/v3/trades/NOBODY?apiKey=mock-key").data)
    assert (answer["status"], answer["results"]) == ("OK", [])


def test_the_market_status_is_what_the_mock_was_told(mock: MockPolygon) -> None:
    answer = msgspec.json.decode(get(mock, "/v1/marketstatus/now?apiKey=mock-key").data)
    assert answer["market"] == answer["exchanges"]["nasdaq"] == "extended-hours"
    assert answer["afterHours"] is not answer["earlyHours"]
