"""REST listings to tapes, over the mock of the vendor and over one page of its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.importing import rest
from flows.importing.rest import Listings
from flows.mock import MockPolygon
from flows.mock.faults import RestError, RestHang, RestLoop, RestTruncated
from tests.flows.feeds.replaying import keys, replayed, shown
from tests.flows.importing.ordering import Import
from tests.flows.mock.tapes import at, small_tape

DAY = "2026-11-20"
ORDER = ("rest", "--symbols", "AAPL,MSFT", "--from", DAY)


@pytest.fixture
def faults() -> list[RestError]:
    """Faults the mock begins with."""
    return []


@pytest.fixture
def mock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[RestError]
) -> Iterator[MockPolygon]:
    """Serve 100 trades and 200 quotes of each of two symbols, in pages of 40; the key is known."""
    monkeypatch.setattr(rest, "PAGE_ROWS", 40)
    monkeypatch.setattr(rest, "BACKOFF_S", 0.01)
    monkeypatch.setattr(rest, "TRIES", 4)
    (tmp_path / "tape").mkdir()
    with MockPolygon([small_tape(tmp_path / "tape")], faults=faults, wait=False) as mock:
        assert mock.finished.wait(5)
        monkeypatch.setenv("POLYGON_API_KEY", mock.key)
        monkeypatch.setenv("POLYGON_REST_URL", mock.rest_url)
        yield mock


def test_listings_become_the_tape_they_are_listings_of(
    mock: MockPolygon, imported: Import, tmp_path: Path
) -> None:
    done = imported(*ORDER)
    assert done.code == 0
    assert f"{DAY}/trades.parquet: 200 rows of 200" in done.err
    assert f"{DAY}/quotes.parquet: 400 rows of 400" in done.err
    assert mock.requests == {"trades": 6, "quotes": 10}
    tape = replayed(*(str(tmp_path / "tape" / f"small.{k}.parquet") for k in ("trades", "quotes")))
    tapes = replayed(*(str(imported.out / DAY / f"{k}.parquet") for k in ("trades", "quotes")))
    assert shown(tapes) == shown(tape)
    assert keys(tapes) == keys(tape)
    assert imported.rows("quotes", DAY)[0] == ("AAPL", at(0), 99.9, 200.0, 100.1, 300.0)
    assert imported.manifest()[f"{DAY}/trades.parquet"]["symbols"] == {"AAPL": 100, "MSFT": 100}


def test_what_is_done_is_not_asked_for_again(mock: MockPolygon, imported: Import) -> None:
    imported(*ORDER)
    before = mock.requests.total()
    assert imported(*ORDER).err == ""
    assert mock.requests.total() == before


@pytest.mark.parametrize("faults", [[RestError(status=403, after_requests=4, count=1)]])
def test_a_killed_import_asks_for_the_next_page(mock: MockPolygon, imported: Import) -> None:
    first = imported(*ORDER, "--kind", "trades")
    assert (first.code, mock.requests.total()) == (3, 5)
    assert imported.tapes() == []
    kept = sorted((imported.out / ".import").rglob("*.jsonl.gz"))
    assert len(kept) == 4
    kept[-1].write_bytes(kept[-1].read_bytes()[:-5])  # torn: asked for again
    assert imported(*ORDER, "--kind", "trades").code == 0
    assert mock.requests == {"trades": 5 + 3}
    assert sorted(set(imported.rows(day=DAY, columns="symbol, price"))) == sorted(
        ("AAPL" if i % 2 == 0 else "MSFT", 100 + i / 100) for i in range(200)
    )


def test_errors_are_waited_out(mock: MockPolygon, imported: Import) -> None:
    mock.strike(RestError(status=429, retry_after_s=1, count=1))
    mock.strike(RestError(status=503, count=2))
    mock.strike(RestTruncated(cut="json", count=1))
    mock.strike(RestTruncated(cut="connection", count=1))
    began = time.monotonic()
    assert imported(*ORDER).code == 0
    assert time.monotonic() - began > 0.9
    assert mock.strikes == [1, 2, 1, 1]
    assert len(imported.rows(day=DAY)) == 200


@pytest.mark.parametrize(
    ("status", "told"),
    [(500, "too many 500 error responses"), (429, "too many 429 error responses")],
)
def test_errors_without_end_are_a_sentence(
    mock: MockPolygon, imported: Import, status: Any, told: str
) -> None:
    mock.strike(RestError(status=status))
    assert imported.refused(*ORDER) == (
        f"trades of AAPL at {mock.rest_url}: {told}; run the import again"
    )
    assert mock.requests == {"trades": rest.TRIES + 1}


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_3_at_once(mock: MockPolygon, imported: Import, status: Any) -> None:
    mock.strike(RestError(status=status))
    done = imported(*ORDER)
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        f"orderflow: trades of AAPL at {mock.rest_url}: refused with {status}: check "
        "POLYGON_API_KEY, and that the plan has them\n"
    )
    assert mock.requests == {"trades": 1}


def test_a_wrong_key_is_3_and_never_shown(
    mock: MockPolygon, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", "wrong-key")
    done = imported(*ORDER)
    assert (done.code, "wrong-key" in done.err) == (3, False)


def test_no_key_is_2(mock: MockPolygon, imported: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYGON_API_KEY")
    assert imported(*ORDER).code == 2


def test_a_listing_that_leads_in_a_circle_ends(mock: MockPolygon, imported: Import) -> None:
    mock.strike(RestLoop())
    told = imported.refused(*ORDER)
    assert told == f"/v3/trades/AAPL {DAY}: the vendor lists the same page again and again"


def test_an_answer_that_does_not_come_is_asked_for_again(
    mock: MockPolygon, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock.strike(RestHang(count=1, hang_s=30))
    monkeypatch.setattr(rest, "READ_S", 0.2)
    page = Listings(mock.rest_url, mock.key).page("AAPL", "trades", {"limit": "3"})
    assert len(page.results) == 3
    assert mock.requests == {"trades": 2}


def test_nobody_there_is_a_sentence(
    mock: MockPolygon, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYGON_REST_URL", "http://127.0.0.1:9")
    told = imported.refused(*ORDER)
    assert told.startswith("trades of AAPL at http://127.0.0.1:9: ")
    assert "refused" in told


def test_a_symbol_that_does_not_exist(mock: MockPolygon, imported: Import) -> None:
    done = imported("rest", "--symbols", "NOSUCH", "--from", "2026-11-19", "--to", DAY)
    assert done.code == 1
    assert done.err.endswith(
        f"nothing of NOSUCH from 2026-11-19 to {DAY}: check the symbol and the days\n"
    )
    assert imported.tapes() == []


def test_a_day_that_is_not_over_is_2(mock: MockPolygon, imported: Import) -> None:
    done = imported("rest", "--symbols", "AAPL", "--from", DAY, "--to", "2126-11-20")
    assert (done.code, "2126-11-20 is not over yet in New York" in done.err) == (2, True)


class _OnePage(BaseHTTPRequestHandler):
    server: _Vendor

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = json.dumps(self.server.body, indent=1).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class _Vendor(ThreadingHTTPServer):
    """Lists the same one page, whatever is asked."""

    def __init__(self, *results: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _OnePage)
        self.body = {"status": "OK", "results": results}
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()


def test_a_page_is_read_to_the_last_digit_and_corrections_are_applied(
    imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact size of a fractional print, ns, keys that may lack: as the vendor has them."""
    regular = {
        "conditions": [37], "decimal_size": "0.007300", "exchange": 4, "id": "71675222901845",
        "participant_timestamp": at(1) + 1, "price": 263.1612, "sequence_number": 2, "size": 0,
        "sip_timestamp": at(2) + 7, "tape": 3, "trf_id": 202, "trf_timestamp": at(2),
    }  # fmt: skip
    bare = {"exchange": 12, "id": "9", "participant_timestamp": at(1), "price": 263, "size": 4200,
            "sequence_number": 1, "sip_timestamp": at(2)}  # fmt: skip
    cancelled = {**bare, "id": "10", "correction": 8}
    with _Vendor(regular, cancelled, bare) as vendor:
        monkeypatch.setenv("POLYGON_REST_URL", f"http://127.0.0.1:{vendor.server_port}")
        monkeypatch.setenv("POLYGON_API_KEY", "secret-key")
        done = imported("rest", "--symbols", "BRK.B", "--from", DAY, "--kind", "trades")
    assert "1 corrected or cancelled" in done.err
    assert imported.rows(day=DAY) == [
        ("BRK.B", at(2), 263.0, 4200.0, None, 12, 9, 0, at(1)),
        ("BRK.B", at(2) + 7, 263.1612, 0.0073, [37], 4, 71675222901845, 202, at(1) + 1),
    ]
    assert len(vendor.asked) == 1
    assert vendor.asked[0].startswith("/v3/trades/BRK.B?")
    assert "secret-key" not in vendor.asked[0]


def test_an_answer_that_is_no_listing(imported: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    with _Vendor({"price": "cheap", "sip_timestamp": at(1)}) as vendor:
        monkeypatch.setenv("POLYGON_REST_URL", f"http://127.0.0.1:{vendor.server_port}")
        monkeypatch.setenv("POLYGON_API_KEY", "k")
        told = imported.refused("rest", "--symbols", "A", "--from", DAY)
    assert told.startswith(f"/v3/trades/A {DAY} cannot be read: ")
