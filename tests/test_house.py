"""The house keeps its word: what exists is documented, and importing it does nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from benchmarks.readme import table as figures
from flows.cli import cli
from flows.setting_text import env_example, markdown
from flows.settings import CONFIG, TABLE

ROOT = Path(__file__).parents[1]
SQL = ROOT / "sql"
PACKAGES = ("flows", "operators", "sinks")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def test_every_setting_is_in_the_readme() -> None:
    names = [*(setting.env for setting in TABLE), CONFIG]
    assert [name for name in names if f"`{name}`" not in README] == []


def test_the_table_of_settings_in_the_readme_is_the_current_one() -> None:
    missing = [line for line in markdown().splitlines() if line not in README]
    assert missing == [], "paste the output of `orderflow config --format markdown`"


def test_the_figures_in_the_readme_are_the_latest() -> None:
    assert figures() in README, "run python -m benchmarks.readme"


def test_the_example_environment_is_the_current_one() -> None:
    current = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert current == env_example(), "write it with `orderflow config --format env`"


def test_every_command_is_in_the_readme() -> None:
    assert [name for name in cli.commands if f"orderflow {name}" not in README] == []


def test_every_command_the_readme_shows_exists() -> None:
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", README, re.DOTALL))
    shown = set(re.findall(r"\borderflow ([a-z][a-z-]+)", code))
    assert shown - set(cli.commands) == set()


def test_every_file_of_sql_begins_with_what_it_answers() -> None:
    firsts = {p.name: p.read_text(encoding="utf-8").partition("\n")[0] for p in SQL.glob("*.sql")}
    assert firsts
    assert [name for name, first in firsts.items() if not re.fullmatch(r"-- .{10,}", first)] == []


def test_every_query_of_the_analyst_is_in_the_readme() -> None:
    from flows.answers import queries

    assert [name for name in queries() if f"`{name}`" not in README] == []


def test_importing_the_flow_opens_nothing_and_asks_nobody() -> None:
    """No socket, no environment of ours, no file written, not even a kernel compiled."""
    code = (
        "import os, sys\n"
        "did = []\n"
        "watched = ('socket.', 'subprocess.', 'os.mkdir', 'os.rename', 'os.remove')\n"
        "def audit(event, args):\n"
        "    mode = args[1] if event == 'open' and isinstance(args[1], str) else ''\n"
        "    written = set(mode) & set('wax+')\n"
        "    if event.startswith(watched) or written:\n"
        "        did.append((event, str(args[:1])))\n"
        "class Asked(type(os.environ)):\n"
        "    def __getitem__(self, name):\n"
        "        if name.startswith(('ORDER_FLOW_', 'POLYGON_')):\n"
        "            did.append(('environment', name))\n"
        "        return super().__getitem__(name)\n"
        "os.environ.__class__ = Asked\n"
        "sys.dont_write_bytecode = True\n"
        "sys.addaudithook(audit)\n"
        "import flows.orderflow\n"
        "print(did)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_environment_is_read_in_one_place() -> None:
    """Where the user's caches lie is the system's convention, not a setting of ours."""
    allowed = 'os.environ.get("XDG_CACHE_HOME")'
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in sources(*PACKAGES)
        if re.search(r"environ\b|getenv", path.read_text("utf-8").replace(allowed, ""))
    ]
    assert readers == ["flows/settings.py"]


def test_no_file_is_long_and_no_function_is_endless() -> None:
    long_files, long_functions = [], []
    for path in sources(*PACKAGES):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT).as_posix()
        if text.count("\n") > 400:
            long_files.append(name)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno
                if length > 60:
                    long_functions.append(f"{name}:{node.name}")
    assert (long_files, long_functions) == ([], [])


def test_every_package_is_a_regular_one_and_the_root_is_none() -> None:
    folders = {path.parent for path in sources(*PACKAGES)}
    assert [folder.name for folder in folders if not (folder / "__init__.py").is_file()] == []
    assert not (ROOT / "__init__.py").exists()


def test_the_lock_holds_every_dependency_with_hashes_and_no_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.split(r"[<>=\[; ]", requirement)[0] for requirement in wanted}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9.-]+)==\S+.*\\\n    --hash=sha256:", lock, re.MULTILINE)
    assert names - set(pinned) == set()
    assert [line for line in lock.splitlines() if "://" in line or line.startswith("--")] == []


def test_no_tracked_text_names_a_path_of_some_machine() -> None:
    suspicious = re.compile(
        r"(?<![\w.])/(?:home|root|work)/\w|https?://[^ \"]*/(?:simple|packages)/"
    )
    found = []
    for path in _texts():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if suspicious.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    assert found == []


_OTHERS = {"test_house.py", ".git"}  # a worktree's .git is a file, and no text of ours


def _texts() -> list[Path]:
    kinds = {".py", ".md", ".toml", ".sql", ".lock", ".json", ".csv", ""}
    parts = [ROOT / name for name in (*PACKAGES, "sql", "tests", "benchmarks", ".ci")]
    inside = [path for part in parts for path in part.rglob("*")]
    return [
        path
        for path in [*ROOT.iterdir(), *inside]
        if path.is_file() and path.suffix in kinds and path.name not in _OTHERS
    ]
