"""Faults of REST, and what the vendor's own client makes of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import urllib3
from polygon import RESTClient
from polygon.exceptions import BadResponse
from urllib3.exceptions import MaxRetryError, ProtocolError, ReadTimeoutError

from flows.mock import MockPolygon
from flows.mock.faults import RestError, RestFault, RestHang, RestLoop, RestTruncated
from tests.flows.mock.tapes import small_tape


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[MockPolygon]:
    """Serve 100 trades of each of two symbols, all printed."""
    with MockPolygon([small_tape(tmp_path)], wait=False) as mock:
        assert mock.finished.wait(5)
        yield mock


def get(mock: MockPolygon, path: str = "/v3/trades/AAPL", **options: Any) -> Any:
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("GET", f"{mock.rest_url}{path}?apiKey=mock-key", **options)


def client(mock: MockPolygon, retries: int = 0) -> RESTClient:
    return RESTClient(mock.key, base=mock.rest_url, retries=retries)


def ids(mock: MockPolygon, retries: int = 0, limit: int = 40) -> list[str]:
    listed = client(mock, retries).list_trades("AAPL", limit=limit, order="asc")
    return [trade.id for trade in listed]


ALL = [f"#{n}" for n in range(1, 101)]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503, 504])
def test_an_error_comes_as_often_as_it_says(mock: MockPolygon, status: Any) -> None:
    mock.strike(RestError(status=status, count=2))
    answers = [get(mock) for _ in range(3)]
    assert [answer.status for answer in answers] == [status, status, 200]
    assert "Retry-After" not in answers[0].headers
    assert mock.strikes == [2]
    assert mock.requests == {"trades": 3}


def test_a_429_can_say_when_to_come_again(mock: MockPolygon) -> None:
    mock.strike(RestError(status=429, retry_after_s=7))
    assert get(mock).headers["Retry-After"] == "7"


def test_the_client_retries_a_few_errors_and_waits_as_it_is_told(mock: MockPolygon) -> None:
    mock.strike(RestError(status=429, retry_after_s=1, count=1))
    began = time.monotonic()
    assert ids(mock, retries=3) == ALL
    assert time.monotonic() - began > 0.9
    assert mock.requests == {"trades": 4}


@pytest.mark.parametrize("status", [429, 500])
def test_and_gives_up_with_an_error_of_urllib3(mock: MockPolygon, status: Any) -> None:
    mock.strike(RestError(status=status))
    with pytest.raises(MaxRetryError, match=f"too many {status} error responses"):
        ids(mock, retries=1)
    assert mock.requests == {"trades": 2}


@pytest.mark.parametrize(("status", "says"), [(401, "Unknown API Key"), (403, "NOT_AUTHORIZED")])
def test_a_refusal_is_not_retried(mock: MockPolygon, status: Any, says: str) -> None:
    mock.strike(RestError(status=status))
    with pytest.raises(BadResponse, match=says):
        ids(mock, retries=3)
    assert mock.requests == {"trades": 1}


def test_a_request_that_hangs_is_given_up_by_the_client_and_closed_in_the_end(
    mock: MockPolygon,
) -> None:
    mock.strike(RestHang(count=1))
    with pytest.raises(ReadTimeoutError):
        get(mock, timeout=0.1)
    mock.strike(RestHang(count=1, hang_s=0.1))
    with pytest.raises(ProtocolError, match="Connection aborted"):
        get(mock, timeout=5)
    assert get(mock).status == 200


def test_a_cursor_that_repeats_leads_to_the_same_page_for_ever(mock: MockPolygon) -> None:
    mock.strike(RestLoop())
    listed = client(mock).list_trades("AAPL", limit=40, order="asc")
    assert [trade.id for trade in islice(listed, 200)] == ALL[:40] * 5
    link = get(mock).json()["next_url"]
    assert link.startswith(f"{mock.rest_url}/v3/trades/AAPL?")
    assert "mock-key" not in link


def test_truncated_json_is_an_empty_page_to_the_client(mock: MockPolygon) -> None:
    mock.strike(RestTruncated(count=1))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        get(mock).json()
    mock.strike(RestTruncated(count=1))
    assert ids(mock) == []  # it only logs the error
    assert ids(mock) == ALL


def test_an_answer_cut_off_is_an_error(mock: MockPolygon) -> None:
    mock.strike(RestTruncated(cut="connection"))
    with pytest.raises(ProtocolError, match="more expected"):
        get(mock)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        (RestError(after_requests=2, count=1), [200, 200, 500, 200]),
        (RestError(route="quotes", after_requests=1), [200, 200, 200, 500]),
        (RestError(route="conditions"), [200, 200, 200, 200]),
    ],
)
def test_a_fault_meets_the_nth_request_of_all_or_of_a_route(
    tmp_path: Path, fault: RestFault, statuses: list[int]
) -> None:
    with MockPolygon([small_tape(tmp_path)], faults=[fault]) as mock:
        paths = ["/v3/trades/AAPL", "/v3/quotes/AAPL", "/v1/marketstatus/now", "/v3/quotes/AAPL"]
        assert [get(mock, path).status for path in paths] == statuses
        assert mock.requests == {"trades": 1, "quotes": 2, "marketstatus": 1}
        assert mock.strikes == [statuses.count(500)]


def test_a_fault_can_end_by_the_clock(mock: MockPolygon) -> None:
    mock.strike(RestError(for_s=1))
    assert get(mock).status == 500
    time.sleep(1.2)
    assert get(mock).status == 200
