from __future__ import annotations

from typing import Any

from flows.picture import alert_table, event_ns, most_alerted, picture, price_strip

MINUTE = 60 * 1_000_000_000
OPEN_NS = 1_795_185_000 * 1_000_000_000  # 2026-11-20 09:30 in New York


def alert(minute: int, symbol: str, kind: str, severity: str = "warning") -> Any:
    hour, rest = divmod(14 * 60 + 30 + minute, 60)
    return {
        "symbol": symbol,
        "alert_type": kind,
        "severity": severity,
        "timestamp_utc": f"2026-11-20T{hour:02}:{rest:02}:00.000000Z",
    }


DAY = [
    alert(10, "ACME", "large_seller"),
    alert(20, "ACME", "large_seller", "critical"),
    alert(20, "ACME", "red_burst", "critical"),
    alert(30, "BOLT", "large_seller"),
]


def test_event_time_is_read_in_nanoseconds() -> None:
    assert event_ns(alert(0, "ACME", "red_burst")) == OPEN_NS


def test_the_table_counts_by_symbol_and_type_with_a_bar_of_severities() -> None:
    assert alert_table(DAY, 80, colour=False).splitlines() == [
        "symbol   large seller      red burst  █ critical ░ warning",
        "ACME                2              1  ██░",
        "BOLT                1              ·  ░",
        "all                 3              1",
    ]


def test_a_long_bar_is_scaled_to_the_width() -> None:
    many = [alert(i % 60, "ACME", "large_seller") for i in range(500)]
    table = alert_table([*many, *DAY], 60, colour=False)
    assert {len(line) <= 60 for line in table.splitlines()} == {True}


def test_symbols_beyond_the_first_twelve_are_summed_up() -> None:
    crowd = [alert(0, f"S{i:02}", "large_seller") for i in range(15)]
    lines = alert_table(crowd, 80, colour=False).splitlines()
    assert [lines[1].split()[0], lines[12].split()[0], lines[13]] == [
        "S00",
        "S11",
        "all                15  and 3 symbols more",
    ]


def test_the_most_alerted_symbol_is_shown_of_equals_the_one_with_exit_signals() -> None:
    even = [alert(1, "ACME", "large_seller"), alert(2, "BOLT", "exit_signal", "critical")]
    assert [most_alerted(DAY), most_alerted(even), most_alerted([])] == ["ACME", "BOLT", None]


def test_the_strip_puts_markers_under_the_price_at_their_time() -> None:
    prices = [(OPEN_NS + i * MINUTE, 100.0 - i / 10) for i in range(41)]
    mine = [a for a in DAY if a["symbol"] == "ACME"]
    strip = price_strip("ACME", mine, prices, 55, colour=False).replace("⠀", " ")
    assert [line.rstrip() for line in strip.splitlines()] == [
        "ACME  100.00 to 96.00  -4.0 %  3 alerts",
        "       100.00 │⠉⠒⠒⠤⣀⣀",
        "              │      ⠉⠒⠒⠤⣀⣀",
        "              │            ⠉⠒⠒⠤⣀⣀",
        "              │                  ⠉⠒⠤⠤⣀",
        "              │                       ⠉⠉⠒⠤⠤⣀",
        "              │                             ⠉⠉⠒⠤⠤⣀",
        "        96.00 │                                   ⠉⠉⠒⠤⢄",
        "              └┬09:30────┬09:40────┬09:50────┬10:00────",
        "  large seller           ▼         ▼",
        "     red burst                     ■",
    ]


def test_a_line_of_markers_shows_the_worst_of_its_column() -> None:
    prices = [(OPEN_NS, 10.0), (OPEN_NS + 40 * MINUTE, 11.0)]
    both = [alert(20, "A", "red_burst", "critical"), alert(20, "A", "red_burst")]
    last = price_strip("A", both, prices, 55, colour=True).splitlines()[-1]
    assert last == "     red burst " + " " * 20 + "\x1b[31;1m■\x1b[0m"


def test_without_colour_there_is_no_escape_code() -> None:
    prices = [(OPEN_NS, 10.0), (OPEN_NS + 40 * MINUTE, 11.0)]
    assert "\x1b" not in picture(DAY, prices, 80, colour=False)
    assert "\x1b" in picture(DAY, prices, 80, colour=True)


def test_a_run_without_alerts_says_so() -> None:
    assert picture([], [], 80, colour=False) == (
        "No alerts: nothing on this tape was large enough."
    )
