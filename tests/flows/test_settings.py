from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.errors import SettingsError
from flows.setting_text import env_example, rows
from flows.settings import TABLE, Settings, load, resolve_feed, resolve_watch

KEY = "pk_4f0secret9"


def told(environ: dict[str, str], cwd: Path) -> str:
    with pytest.raises(SettingsError) as stop:
        load(environ, cwd)
    return str(stop.value)


def live(cwd: Path, **environ: str) -> Settings:
    return load({"POLYGON_API_KEY": KEY, **environ}, cwd)


def test_without_anything_set_the_defaults_of_the_specification_hold(tmp_path: Path) -> None:
    assert load({}, tmp_path).public() == {
        "polygon_ws_url": "wss://socket.polygon.io",
        "polygon_rest_url": "https://api.polygon.io",
        "polygon_s3_url": "https://files.massive.com",
        "data_source": "auto",
        "monitoring_mode": "positions_only",
        "symbols": [],
        "positions_file": None,
        "data_dir": str(tmp_path / "data"),
        "tape": [],
        "detection_mode": "fixed",
        "large_order_size": 10_000,
        "parent_gap_ms": 10,
        "min_notional": 200_000.0,
        "learn_from": None,
        "volume_spike_threshold": 3.0,
        "red_burst_threshold": 4.0,
        "sell_share": 0.6,
        "min_burst_volume": 5000,
        "alert_window_seconds": 120,
        "exit_sellers": 3,
        "side_rule": "clnv",
        "quote_max_age_seconds": 60,
        "late_print_ms": 1000,
        "sessions": "regular",
        "book_levels": 5,
        "feed_delay_seconds": 0.0,
        "lag_warn_seconds": 10.0,
        "lag_suspend_seconds": 30.0,
        "silence_seconds": 30.0,
        "heartbeat_seconds": 15.0,
        "metrics_port": 0,
        "record": False,
        "freshness": True,
        "context": False,
    }


def test_the_nearer_source_wins_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "flow.toml").write_text(
        "large_order_size = 11_000\nparent_gap_ms = 11\nexit_sellers = 5\nsell_share = 0.7\n"
    )
    (tmp_path / ".env").write_text(
        "ORDER_FLOW_CONFIG=flow.toml\n"
        "ORDER_FLOW_LARGE_ORDER_SIZE=12000\nORDER_FLOW_PARENT_GAP_MS=12\nORDER_FLOW_EXIT_SELLERS=6\n"
    )
    environ = {"ORDER_FLOW_LARGE_ORDER_SIZE": "13000", "ORDER_FLOW_PARENT_GAP_MS": "13"}
    settings = load(environ, tmp_path, {"large_order_size": "14000", "exit_sellers": None})
    fields = ("large_order_size", "parent_gap_ms", "exit_sellers", "sell_share", "book_levels")
    assert [(getattr(settings, f), settings.sources[f]) for f in fields] == [
        (14_000, "--large-order-size"),
        (13, "environment"),
        (6, ".env line 4"),
        (0.7, "flow.toml"),
        (5, "default"),
    ]


BOUNDS = [
    ("ORDER_FLOW_DETECTION_MODE", ["fixed"], ["loose"]),
    ("ORDER_FLOW_LARGE_ORDER_SIZE", ["1000", "1e6"], ["999", "-1", "1000.5", "nan", "1e300", "x"]),
    ("ORDER_FLOW_PARENT_GAP_MS", ["0", "1000"], ["-1", "1001"]),
    ("ORDER_FLOW_MIN_NOTIONAL", ["0", "0.5"], ["-0.5", "inf"]),
    ("ORDER_FLOW_VOLUME_SPIKE_THRESHOLD", ["1.5", "4"], ["1.4", "10.1"]),
    ("ORDER_FLOW_RED_BURST_THRESHOLD", ["3", "40"], ["2.9"]),
    ("ORDER_FLOW_SELL_SHARE", ["0.5", "1"], ["0.49", "1.01", "nan"]),
    ("ORDER_FLOW_MIN_BURST_VOLUME", ["0"], ["-1"]),
    ("ORDER_FLOW_ALERT_WINDOW_SECONDS", ["30", "300"], ["29", "301"]),
    ("ORDER_FLOW_EXIT_SELLERS", ["2", "20"], ["1", "21"]),
    ("ORDER_FLOW_SIDE_RULE", ["clnv", "lee_ready", "emo", "quote", "tick"], ["CLNV", "best"]),
    ("ORDER_FLOW_QUOTE_MAX_AGE_SECONDS", ["1", "3600"], ["0", "3601"]),
    ("ORDER_FLOW_LATE_PRINT_MS", ["0", "60000"], ["-1", "60001"]),
    ("ORDER_FLOW_SESSIONS", ["all", "pre,regular", "07:00-10:00"], ["night", "10:00-07:00"]),
    ("ORDER_FLOW_BOOK_LEVELS", ["1", "10"], ["0", "11"]),
    ("ORDER_FLOW_FEED_DELAY_SECONDS", ["0", "900"], ["-1"]),
    ("ORDER_FLOW_LAG_WARN_SECONDS", ["0"], ["-1"]),
    ("ORDER_FLOW_LAG_SUSPEND_SECONDS", ["0"], ["-1"]),
    ("ORDER_FLOW_SILENCE_SECONDS", ["0"], ["-1"]),
    ("ORDER_FLOW_HEARTBEAT_SECONDS", ["0"], ["-1"]),
    ("ORDER_FLOW_METRICS_PORT", ["0", "65535"], ["-1", "65536", "http"]),
    ("ORDER_FLOW_RECORD", ["1", "off"], ["maybe"]),
    ("ORDER_FLOW_FRESHNESS", ["on", "off"], ["maybe"]),
    ("ORDER_FLOW_DATA_SOURCE", ["auto", "polygon", "tape", "sample"], ["live"]),
    ("ORDER_FLOW_MONITORING_MODE", ["positions_only", "watchlist", "all"], ["some"]),
    ("ORDER_FLOW_SYMBOLS", ["AAPL, BRK.B,BApA"], ["AAPL;DROP"]),
    ("POLYGON_WS_URL", ["ws://127.0.0.1:8765"], ["127.0.0.1:8765", "https://a.b"]),
    ("POLYGON_REST_URL", ["http://127.0.0.1:8766/"], ["ws://a.b", "https://"]),
]


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, good, _ in BOUNDS for t in good])
def test_a_value_on_its_bound_is_taken(name: str, text: str, tmp_path: Path) -> None:
    load({name: text}, tmp_path)


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, _, bad in BOUNDS for t in bad])
def test_a_value_out_of_bounds_stops_the_start(name: str, text: str, tmp_path: Path) -> None:
    assert told({name: text}, tmp_path).startswith(f"{name} is {text} (environment), but ")


def test_the_sentence_names_the_value_the_bound_and_the_place(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\n\nexport ORDER_FLOW_EXIT_SELLERS = '50' # many\n")
    assert told({}, tmp_path) == (
        "ORDER_FLOW_EXIT_SELLERS is 50 (.env line 3), but must be between 2 and 20."
    )


def test_a_comment_after_a_value_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ORDER_FLOW_EXIT_SELLERS=4 # few\nORDER_FLOW_DATA_DIR=a#b\n")
    settings = load({}, tmp_path)
    assert (settings.exit_sellers, settings.data_dir) == (4, tmp_path / "a#b")


def test_the_critical_threshold_may_not_lie_below_the_spike_threshold(tmp_path: Path) -> None:
    assert told({"ORDER_FLOW_VOLUME_SPIKE_THRESHOLD": "5"}, tmp_path) == (
        "ORDER_FLOW_RED_BURST_THRESHOLD is 4 (default), but must be at least "
        "ORDER_FLOW_VOLUME_SPIKE_THRESHOLD, which is 5 (environment)."
    )


def test_a_typo_in_the_environment_is_named_with_what_was_meant(tmp_path: Path) -> None:
    assert told({"ORDER_FLOW_LARGE_ORDERS_SIZE": "1"}, tmp_path) == (
        "ORDER_FLOW_LARGE_ORDERS_SIZE (environment) is not a setting; did you mean "
        "ORDER_FLOW_LARGE_ORDER_SIZE?"
    )


def test_a_name_like_none_of_ours_points_to_the_list(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ORDER_FLOW_QQQQ=1\n")
    assert told({}, tmp_path) == (
        "ORDER_FLOW_QQQQ (.env line 1) is not a setting; `orderflow config` lists them all."
    )


def test_a_typo_in_the_config_file_is_named_with_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "flow.json").write_text('{"ORDER_FLOW_SELL_SHARE": 0.7}')
    assert told({"ORDER_FLOW_CONFIG": "flow.json"}, tmp_path) == (
        "ORDER_FLOW_SELL_SHARE (flow.json) is not a setting; did you mean sell_share?"
    )


def test_variables_of_others_and_of_the_tests_are_left_alone(tmp_path: Path) -> None:
    environ = {"ORDER_FLOW_REAL_DATA": "x", "POLYGON_FLATFILES": "y", "PATH": "/bin"}
    assert load(environ, tmp_path) == load({}, tmp_path)


def test_a_blank_value_counts_as_not_set(tmp_path: Path) -> None:
    assert load({"ORDER_FLOW_EXIT_SELLERS": " "}, tmp_path) == load({}, tmp_path)


def test_json_and_toml_hold_numbers_switches_and_lists(tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "exit_sellers": 4,
        "large_order_size": 20_000.0,
        "freshness": False,
        "symbols": ["AAPL", "BRK.B", "AAPL"],
    }
    (tmp_path / "flow.json").write_text(json.dumps(wanted))
    (tmp_path / "flow.toml").write_text(
        'exit_sellers = 4\nlarge_order_size = 20_000.0\nfreshness = false\nsymbols = "AAPL,BRK.B"\n'
    )
    for name in ("flow.json", "flow.toml"):
        settings = load({"ORDER_FLOW_CONFIG": name}, tmp_path)
        found = [getattr(settings, field) for field in wanted]
        assert found == [4, 20_000, False, ("AAPL", "BRK.B")]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("gone.toml", None, "The settings file {} cannot be read: No such file or directory."),
        ("list.json", "[1]", "{} (ORDER_FLOW_CONFIG) must hold one object of settings."),
        ("bent.json", "{", "{} (ORDER_FLOW_CONFIG) is not JSON: "),
        ("bent.toml", "a b", "{} (ORDER_FLOW_CONFIG) is not TOML: "),
        ("bool.toml", "exit_sellers = true", "ORDER_FLOW_EXIT_SELLERS is True (bool.toml), but "),
        ("nest.toml", "[sessions]\na = 1", "ORDER_FLOW_SESSIONS is {{'a': 1}} (nest.toml), but "),
    ],
)
def test_a_config_file_that_cannot_be_used_is_named(
    name: str, text: str | None, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    assert told({"ORDER_FLOW_CONFIG": name}, tmp_path).startswith(sentence.format(path))


def test_a_line_of_dotenv_that_sets_nothing_is_named_but_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"POLYGON_API_KEY {KEY}\n")
    assert told({}, tmp_path) == (".env line 1 is not NAME=value: write it so, or begin it with #.")


def test_relative_paths_start_in_the_working_directory(tmp_path: Path) -> None:
    environ = {"ORDER_FLOW_DATA_DIR": "out", "ORDER_FLOW_POSITIONS_FILE": "/pos.json"}
    settings = load(environ, tmp_path)
    assert (settings.data_dir, settings.positions_file) == (tmp_path / "out", Path("/pos.json"))


@pytest.mark.parametrize("name", ["polygon_s3_access_key", "polygon_s3_secret_key"])
def test_the_keys_of_the_flat_files_are_shown_nowhere(name: str, tmp_path: Path) -> None:
    settings = load({name.upper(): KEY}, tmp_path)
    assert getattr(settings, name) == KEY
    shown = [repr(settings), str(settings.public()), str(rows(settings))]
    assert [text for text in shown if KEY in text] == []


def test_the_key_is_shown_nowhere(tmp_path: Path) -> None:
    settings = live(tmp_path)
    assert settings.polygon_api_key == KEY
    shown = [repr(settings), f"{settings}", str(settings.public()), str(rows(settings))]
    assert [text for text in shown if KEY in text] == []
    assert "polygon_api_key=(set, hidden)" in repr(settings)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("POLYGON_API_KEY", f"{KEY} {KEY}"),
        ("POLYGON_S3_SECRET_KEY", f"{KEY} {KEY}"),
        ("POLYGON_WS_URL", f"wss://me:{KEY}@socket.polygon.io"),
        ("POLYGON_REST_URL", f"https://api.polygon.io?apiKey={KEY}"),
    ],
)
def test_a_key_in_a_wrong_place_is_not_repeated_in_the_error(
    name: str, text: str, tmp_path: Path
) -> None:
    sentence = told({name: text}, tmp_path)
    assert sentence.startswith(f"{name} is (hidden) (environment), but must be ")
    assert KEY not in sentence


def test_auto_is_polygon_with_a_key_and_the_sample_without(tmp_path: Path) -> None:
    (tmp_path / "pos.json").write_text("[]")
    with_key = live(tmp_path, ORDER_FLOW_POSITIONS_FILE="pos.json")
    assert (resolve_feed(load({}, tmp_path)), resolve_feed(with_key)) == ("sample", "polygon")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"ORDER_FLOW_DATA_SOURCE": "tape"},
            "ORDER_FLOW_DATA_SOURCE is tape, but ORDER_FLOW_TAPE names no files: set it to files, "
            "globs or folders, or use `orderflow replay FILE...`.",
        ),
        (
            {"ORDER_FLOW_DATA_SOURCE": "polygon"},
            "ORDER_FLOW_DATA_SOURCE is polygon, but POLYGON_API_KEY is not set: put it into the "
            "environment or into .env.",
        ),
        (
            {"POLYGON_API_KEY": KEY},
            "ORDER_FLOW_MONITORING_MODE is positions_only, but ORDER_FLOW_POSITIONS_FILE names no "
            "file: set it, or set the mode to watchlist (with ORDER_FLOW_SYMBOLS) or all.",
        ),
        (
            {"POLYGON_API_KEY": KEY, "ORDER_FLOW_POSITIONS_FILE": "/gone/pos.json"},
            "ORDER_FLOW_POSITIONS_FILE is /gone/pos.json (environment), but there is no such file: "
            "start the bot that writes it, or begin with one that says [].",
        ),
        (
            {"POLYGON_API_KEY": KEY, "ORDER_FLOW_MONITORING_MODE": "watchlist"},
            "ORDER_FLOW_MONITORING_MODE is watchlist, but ORDER_FLOW_SYMBOLS is empty: list the "
            "symbols, such as AAPL,MSFT.",
        ),
    ],
)
def test_a_start_that_could_not_see_anything_is_refused(
    environ: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    settings = load(environ, tmp_path)
    with pytest.raises(SettingsError) as stop:
        resolve_feed(settings)
    assert str(stop.value) == sentence


def test_a_tape_is_watched_whole_unless_told_otherwise(tmp_path: Path) -> None:
    plain = load({}, tmp_path)
    listed = load({"ORDER_FLOW_SYMBOLS": "AAPL"}, tmp_path)
    told_so = load({"ORDER_FLOW_MONITORING_MODE": "positions_only"}, tmp_path)
    found = [resolve_watch(settings, "tape") for settings in (plain, listed, told_so)]
    assert found == ["all", "watchlist", "positions_only"]
    assert resolve_watch(plain, "polygon") == "positions_only"


def test_the_example_file_sets_nothing_until_a_line_is_uncommented(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(env_example())
    assert set(load({}, tmp_path).sources.values()) == {"default"}


def test_the_example_file_uncommented_is_the_defaults(tmp_path: Path) -> None:
    lines = [line.removeprefix("#") for line in env_example().splitlines() if line[:2] != "# "]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert load({}, tmp_path).public() == load({}, tmp_path / "empty").public() | {
        "data_dir": str(tmp_path / "data")
    }


def test_every_setting_has_help_of_one_line() -> None:
    lengths = {setting.env: len(setting.rule.help) for setting in TABLE}
    assert [name for name, length in lengths.items() if not 5 < length < 80] == []


@pytest.mark.parametrize(
    ("host", "delay"),
    [
        ("wss://socket.polygon.io", 0),
        ("wss://delayed.polygon.io", 900),
        ("wss://delayed-business.massive.com:443", 900),
        ("wss://undelayed.polygon.io", 0),
    ],
)
def test_the_delay_of_a_delayed_host_is_known(tmp_path: Path, host: str, delay: float) -> None:
    settings = load({"POLYGON_WS_URL": host}, tmp_path)
    assert settings.feed_delay_seconds == delay
    assert settings.sources["feed_delay_seconds"] == ("delayed host" if delay else "default")
    given = {"POLYGON_WS_URL": host, "ORDER_FLOW_FEED_DELAY_SECONDS": "5"}
    assert load(given, tmp_path).feed_delay_seconds == 5
