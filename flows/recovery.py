"""The engine's recovery store: where it is made, and what its failures are called."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

from bytewax.recovery import RecoveryConfig, init_db_dir

from flows.errors import OrderflowError

PAGE_BYTES = 16_384
_STORE = re.compile(r'SqliteFailure\(.*?(?:Some\("([^"]*)"\))?\)$|src/recovery\.rs')


class StoreError(OrderflowError):
    """The recovery store cannot be made, read or written.

    `reason` is what it complained of, `step` what to do.
    """

    def __init__(self, reason: str, step: str = "free space, or name another folder") -> None:
        super().__init__(f"the recovery store cannot be used ({reason}): {step}.")
        self.reason = reason

    @classmethod
    def of(cls, error: BaseException) -> StoreError | None:
        """Return the error behind one of the engine; None if that has another cause."""
        found = _STORE.search(str(error))
        return cls(found[1] or found[0]) if found else None


def _enlarge_pages(folder: Path) -> None:
    """Let the store take few larger pages instead of many small ones, of which it keeps a list.

    The flow stands still until a snapshot is written. Each of its dozen commits writes whole
    pages, so much larger ones cost again what they save.
    """
    for part in folder.glob("part-*.sqlite3"):
        with contextlib.closing(sqlite3.connect(part)) as db:
            db.execute("PRAGMA journal_mode = DELETE")  # only then may pages change their size
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            db.execute("VACUUM")
            db.execute("PRAGMA journal_mode = WAL")


_RESUME = """
select min(case when fronts.n = exs.worker_count then fronts.least else exs.resume_epoch end)
from exs
left join (select ex_num, count(*) n, min(worker_frontier) least from fronts group by ex_num)
    as fronts using (ex_num)
where ex_num = (select max(ex_num) from exs)
"""


def forget_unfinished(store: Path) -> int:
    """Remove what a killed run had saved of its last, unfinished epoch; return how many rows.

    The engine resumes before that epoch and leaves its rows where they are. Those of a key that
    is not known yet would come back after a run that went past the epoch without meeting it: some
    steps would then have seen what others have not.

    Raises:
        StoreError: the store cannot be read or written.
    """
    try:
        with contextlib.closing(sqlite3.connect(store)) as db, db:
            ((epoch,),) = db.execute(_RESUME).fetchall()
            if epoch is None:
                return 0
            return db.execute("delete from snaps where snap_epoch >= ?", (epoch,)).rowcount
    except sqlite3.Error as error:
        raise StoreError(str(error)) from None


def recovery_config(folder: Path | None) -> RecoveryConfig | None:
    """Return the recovery store in `folder`, made if there is none.

    Raises:
        StoreError: it cannot be made.
    """
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stores = list(folder.glob("part-*.sqlite3"))
        if not stores:
            init_db_dir(folder, 1)
            _enlarge_pages(folder)
        elif len(stores) == 1:  # as we make them: of several none knows all
            forget_unfinished(stores[0])
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(error.strerror or str(error)) from None
    except sqlite3.Error as error:
        raise StoreError(str(error)) from None
    except BaseException as panic:  # the engine's panics are no Exception, and have no name here
        of_store = StoreError.of(panic)
        if of_store is None:
            raise
        raise of_store from None
    return RecoveryConfig(str(folder))
