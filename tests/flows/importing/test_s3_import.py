"""Flat files over S3: found by day, fetched in ranges, and refused in a sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.importing import s3
from tests.flows.files import FLAT_QUOTES, flat_quote, write_gz
from tests.flows.importing.ordering import DAY, Import, flat
from tests.flows.importing.s3_server import Vendor, s3_vendor
from tests.make import quote

NEXT = "2024-01-03"
SOURCE = "s3://flatfiles"


@pytest.fixture(scope="module")
def server() -> Iterator[Vendor]:
    with s3_vendor() as vendor:
        yield vendor


@pytest.fixture
def vendor(server: Vendor, monkeypatch: pytest.MonkeyPatch) -> Vendor:
    """The vendor, known to the settings; what the environment says of AWS is misleading."""
    monkeypatch.setenv("POLYGON_S3_URL", server.url)
    monkeypatch.setenv("POLYGON_S3_ACCESS_KEY", server.keys[0])
    monkeypatch.setenv("POLYGON_S3_SECRET_KEY", server.keys[1])
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another's")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    return server


def test_the_days_of_a_bucket_become_tapes(
    vendor: Vendor, imported: Import, tmp_path: Path
) -> None:
    trades = flat(tmp_path / "t.csv.gz", *(1.0 + i for i in range(500)))
    quotes = write_gz(tmp_path / "q.csv.gz", FLAT_QUOTES, flat_quote(quote(1), 1))
    key = vendor.put(trades, DAY)
    vendor.put(quotes, DAY, "quotes")
    vendor.put(trades, "2024-01-30")  # the same month, not asked for
    done = imported(SOURCE, "--from", DAY)
    assert done.code == 0
    assert imported.tapes() == [f"{DAY}/quotes.parquet", f"{DAY}/trades.parquet"]
    assert len(imported.rows()) == 500
    [source] = imported.manifest()[f"{DAY}/trades.parquet"]["sources"]
    assert (source["name"], source["bytes"]) == (f"{SOURCE}/{key}", Path(trades).stat().st_size)
    assert source["etag"]
    assert imported(SOURCE, "--from", DAY).err == ""


def test_a_file_the_vendor_replaced_is_fetched_again(
    vendor: Vendor, imported: Import, tmp_path: Path
) -> None:
    order = (SOURCE, "--from", DAY, "--kind", "trades")
    vendor.put(flat(tmp_path / "a.csv.gz", 1.0), DAY)
    imported(*order)
    vendor.put(flat(tmp_path / "b.csv.gz", 2.0), DAY)
    assert "its source has changed; it is made again" in imported(*order).err
    assert imported.rows(columns="price") == [(2.0,)]


def test_a_download_that_was_cut_goes_on(
    vendor: Vendor, imported: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "RANGE", 1000)
    path = Path(flat(tmp_path / "t.csv.gz", *(1.0 + i for i in range(500))))
    vendor.put(path, DAY)
    imported(SOURCE, "--from", DAY, "--kind", "trades")
    etag = imported.manifest()[f"{DAY}/trades.parquet"]["sources"][0]["etag"].strip('"')
    (imported.out / DAY / "trades.parquet").unlink()

    def resumed(begun: bytes) -> str:
        fetched = imported.out / ".import" / "fetched" / f"{DAY}.trades"
        fetched.mkdir(parents=True)
        (fetched / f"{etag}-{DAY}.csv.gz").write_bytes(begun)
        return imported(SOURCE, "--from", DAY, "--kind", "trades").err

    spoilt = bytearray(path.read_bytes()[:1500])
    spoilt[700] ^= 1
    assert f"{SOURCE}/us_stocks_sip/trades_v1/2024/01/{DAY}.csv.gz cannot" in resumed(bytes(spoilt))
    assert not list(imported.out.rglob("*.csv.gz"))  # it may be the copy that is bad
    (imported.out / ".import" / "fetched" / f"{DAY}.trades").rmdir()
    assert "500 rows of 500" in resumed(path.read_bytes()[:1500])


def test_a_day_without_a_file_is_said_after_the_rest_is_done(
    vendor: Vendor, imported: Import, tmp_path: Path
) -> None:
    vendor.put(flat(tmp_path / "t.csv.gz", 1.0), DAY)
    done = imported(SOURCE, "--from", "2023-12-30", "--to", NEXT, "--kind", "trades")
    assert done.code == 1
    assert f"/us_stocks_sip has no trades of {NEXT}: files come about 11:00" in done.err
    assert imported.tapes() == [f"{DAY}/trades.parquet"]
    holiday = imported(SOURCE, "--from", "2023-12-30", "--to", "2024-01-01")
    assert "the exchanges were closed from 2023-12-30 to 2024-01-01" in holiday.err


@pytest.mark.parametrize("which", ["POLYGON_S3_ACCESS_KEY", "POLYGON_S3_SECRET_KEY"])
def test_a_wrong_key_is_3_and_never_shown(
    vendor: Vendor, imported: Import, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setenv(which, "WRONGKEYWRONGKEYWRONG")
    done = imported(SOURCE, "--from", DAY)
    assert (done.code, done.out, done.err.count("\n")) == (3, "", 1)
    assert f"{vendor.url} refused the S3 keys for {SOURCE}" in done.err
    assert not [text for text in (*vendor.keys, "WRONGKEY") if text in done.err]
    assert imported.tapes() == []


def test_keys_that_are_not_set_are_2(
    vendor: Vendor, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLYGON_S3_SECRET_KEY")
    done = imported(SOURCE, "--from", DAY)
    assert (done.code, done.err.partition(" is")[0]) == (2, "orderflow: POLYGON_S3_SECRET_KEY")


def test_a_bucket_that_is_not_there(vendor: Vendor, imported: Import) -> None:
    told = imported.refused("s3://nowhere-at-all", "--from", DAY)
    assert told == f"{vendor.url} has no s3://nowhere-at-all"


def test_an_endpoint_that_does_not_answer(
    vendor: Vendor, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYGON_S3_URL", "http://127.0.0.1:9")
    assert imported.refused(SOURCE, "--from", DAY).startswith(
        f"{SOURCE} at http://127.0.0.1:9 cannot be read: "
    )


def test_without_the_extra_it_says_what_to_install(
    vendor: Vendor, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    assert "pip install obstore" in imported.refused(SOURCE, "--from", DAY)
