"""An import that is run again: after a kill, beside another, over what has changed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from gzip import decompress
from pathlib import Path

import pytest

from flows.importing.manifest import sha256_of
from tests.flows.importing.ordering import DAY, Import, flat

ROOT = Path(__file__).parents[3]
DAYS = (DAY, "2024-01-03")


def two_days(folder: Path) -> Path:
    flat(folder / f"{DAYS[0]}.csv.gz", 1.0, 2.0)
    day = 86_400_000_000_000
    text = Path(flat(folder / "x.csv.gz", 3.0))
    shifted = folder / f"{DAYS[1]}.csv"
    lines = decompress(text.read_bytes()).decode().splitlines()
    stamp = lines[1].split(",")[5]
    shifted.write_text(f"{lines[0]}\n{lines[1].replace(stamp, str(int(stamp) + day))}\n")
    text.unlink()
    return folder


def test_what_is_done_is_not_done_again(imported: Import, tmp_path: Path) -> None:
    folder = two_days(tmp_path / "flat")
    first = imported(folder)
    assert (first.code, first.out.count("imported\n"), first.err.count("\n")) == (0, 2, 2)
    stamps = [(imported.out / path).stat().st_mtime_ns for path in imported.tapes()]
    again = imported(folder)
    assert (again.code, again.out.count("was there\n"), again.err) == (0, 2, "")
    assert [(imported.out / path).stat().st_mtime_ns for path in imported.tapes()] == stamps


def test_a_moved_source_is_known_by_its_hash(imported: Import, tmp_path: Path) -> None:
    imported(two_days(tmp_path / "flat"))
    (tmp_path / "flat").rename(tmp_path / "moved")
    assert imported(tmp_path / "moved").err == ""


def test_a_tape_that_is_damaged_or_gone_is_made_again(imported: Import, tmp_path: Path) -> None:
    folder = two_days(tmp_path / "flat")
    imported(folder)
    whole = {path: (imported.out / path).read_bytes() for path in imported.tapes()}
    first, second = (imported.out / path for path in imported.tapes())
    bent = bytearray(first.read_bytes())
    bent[99] ^= 1
    first.write_bytes(bytes(bent))
    second.unlink()
    err = imported(folder).err
    assert f"{first} is damaged; it is made again" in err
    assert f"{second} is missing; it is made again" in err
    assert {path: (imported.out / path).read_bytes() for path in imported.tapes()} == whole


def test_a_replaced_source_is_imported_again(imported: Import, tmp_path: Path) -> None:
    path = flat(tmp_path / f"{DAY}.csv.gz", 1.0)
    imported(path)
    flat(Path(path), 5.0)
    assert "its source has changed; it is made again" in imported(path).err
    assert imported.rows(columns="price") == [(5.0,)]


def test_another_import_is_never_overwritten(imported: Import, tmp_path: Path) -> None:
    path = flat(tmp_path / "a" / f"{DAY}.csv.gz", 1.0)
    assert imported(path).code == 0
    other = imported(flat(tmp_path / "b" / f"{DAY}.csv.gz", 2.0))
    tape = imported.out / DAY / "trades.parquet"
    told = f"orderflow: {tape} was made of {path}: choose another folder\n"
    assert (other.code, other.err) == (1, told)
    fewer = imported(path, "--symbols", "X")
    assert "was imported for all symbols: import X into another folder" in fewer.err
    assert imported.rows(columns="price") == [(1.0,)]


def test_a_stranger_is_never_overwritten(imported: Import, tmp_path: Path) -> None:
    (imported.out / DAY).mkdir(parents=True)
    stranger = imported.out / DAY / "trades.parquet"
    stranger.write_text("mine")
    done = imported(flat(tmp_path / f"{DAY}.csv.gz", 1.0))
    assert (done.code, stranger.read_text()) == (1, "mine")
    assert "is there, and no import made it" in done.err


def test_a_manifest_nobody_can_read_is_left_alone(imported: Import, tmp_path: Path) -> None:
    imported.out.mkdir()
    (imported.out / "manifest.json").write_text("{")
    done = imported(flat(tmp_path / f"{DAY}.csv.gz", 1.0))
    assert (done.code, (imported.out / "manifest.json").read_text()) == (1, "{")
    assert "manifest.json cannot be read" in done.err


def test_one_import_at_a_time(imported: Import, tmp_path: Path) -> None:
    (imported.out / ".import").mkdir(parents=True)
    with (imported.out / ".import" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = imported.refused(flat(tmp_path / f"{DAY}.csv.gz", 1.0))
    assert told == f"another import is writing to {imported.out}: let it finish"


def test_the_manifest_says_what_a_tape_was_made_of(imported: Import, tmp_path: Path) -> None:
    path = Path(flat(tmp_path / f"{DAY}.csv.gz", 1.0, 2.0))
    out = json.loads(imported(path, "--json").out)
    record = imported.manifest()[f"{DAY}/trades.parquet"]
    tape = imported.out / DAY / "trades.parquet"
    assert record["sources"] == [
        {
            "name": str(path),
            "bytes": path.stat().st_size,
            "sha256": sha256_of(path),
            "rows": 2,
            "mtime_ns": path.stat().st_mtime_ns,
        }
    ]
    assert (record["sha256"], record["bytes"]) == (sha256_of(tape), tape.stat().st_size)
    assert set(record["versions"]) == {"orderflow", "duckdb", "python"}
    assert out == {"out": str(imported.out), "files": [{**record, "made": True}]}
    assert not (imported.out / ".import").exists()


def started(folder: Path, source: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flows", "import", str(source), "--out", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
def test_an_import_that_is_killed_goes_on_where_it_stopped(
    imported: Import, tmp_path: Path, sign: signal.Signals, code: int
) -> None:
    """Killed while it reads the second day, which is long."""
    folder = two_days(tmp_path / "flat")
    second = folder / f"{DAYS[1]}.csv"
    text = second.read_text()
    second.write_text(text + text.splitlines(keepends=True)[1] * 3_000_000)
    process = started(imported.out, folder)
    staged = imported.out / ".import" / "0.staged"
    deadline = time.monotonic() + 60
    while not ((imported.out / DAYS[0] / "trades.parquet").exists() and staged.exists()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(sign)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert imported.tapes() == [f"{DAYS[0]}/trades.parquet"]
    if sign == signal.SIGINT:
        assert [p.name for p in (imported.out / ".import").iterdir()] == ["lock"]

    second.write_text(text)
    done = imported(folder)
    assert done.code == 0
    assert done.err.startswith(f"{DAYS[1]}/trades.parquet: 1 rows of 1 in ")
    assert imported.tapes() == [f"{day}/trades.parquet" for day in DAYS]
    assert not (imported.out / ".import").exists()
