"""`orderflow import`, run in this process, and what lies in the folder after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from flows.cli import main
from tests.flows.files import FLAT_TRADES, flat_trade, write_gz
from tests.make import trade

DAY = "2024-01-02"


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Import:
    """Runs imports into `out`."""

    def __init__(self, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.out = out
        self._capsys = capsys

    def __call__(self, *args: str | Path) -> Done:
        self._capsys.readouterr()
        code = main(["import", *map(str, args), "--out", str(self.out)])
        return Done(code, *self._capsys.readouterr())

    def refused(self, *args: str | Path) -> str:
        """Run one that fails, in one sentence, and leaves nothing half done."""
        done = self(*args)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("orderflow: ")
        assert done.err.count("\n") == 1
        assert self.tapes() == []
        return done.err.removeprefix("orderflow: ").rstrip()

    def tapes(self) -> list[str]:
        """Return all files under a final name, but for the manifest."""
        return sorted(
            str(p.relative_to(self.out))
            for p in self.out.rglob("*")
            if p.is_file() and ".import" not in p.parts and p.name != "manifest.json"
        )

    def manifest(self) -> dict[str, Any]:
        """Return the manifest's records by path."""
        document = json.loads((self.out / "manifest.json").read_text())
        return {record["path"]: record for record in document["files"]}

    def rows(
        self, kind: str = "trades", day: str = DAY, columns: str = "*"
    ) -> list[tuple[Any, ...]]:
        with duckdb.connect() as db:
            return db.execute(
                f"SELECT {columns} FROM read_parquet('{self.out}/{day}/{kind}.parquet')"
            ).fetchall()


def flat(path: Path, *prices: float) -> str:
    """Write a flat file of trades at such prices, a millisecond apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [flat_trade(trade(i, p, trade_id=str(i)), i) for i, p in enumerate(prices)]
    return write_gz(path, FLAT_TRADES, *rows)
