"""What a live run makes of a refused key, and of a short position."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
from bytewax.testing import TestingSink, TestingSource, run_main

from flows.orderflow import Outputs, build, rules_of
from operators.ticks import Frames
from sinks.elsewhere import SourceElsewhere
from tests.flows.feeds.vendors import Vendor, Wire
from tests.flows.files import wire_frames
from tests.flows.market import SETTINGS, market

ROOT = Path(__file__).parents[2]


def test_a_refused_key_is_one_sentence_and_exit_3(tmp_path: Path) -> None:
    async def refusing(wire: Wire) -> None:
        await wire.status("connected", "Connected Successfully")
        await wire.hear()
        await wire.status("auth_failed", "authentication failed")
        wire.abort()

    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ORDER_FLOW_", "POLYGON_"))}
    with Vendor(refusing) as vendor:
        given = {
            "POLYGON_WS_URL": vendor.url,
            "POLYGON_API_KEY": "a-wrong-key",
            "ORDER_FLOW_MONITORING_MODE": "all",
            "ORDER_FLOW_DATA_DIR": str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", "run"],
            cwd=ROOT,
            env=clean | given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert len(vendor.opened) == 1
    assert (done.returncode, done.stdout) == (3, "")
    said = [line for line in done.stderr.splitlines() if line.startswith("orderflow: ")]
    assert said == [
        f"orderflow: The feed at {vendor.url}/stocks refused the login ('authentication failed'): "
        "check POLYGON_API_KEY, and that its plan includes stocks over WebSocket."
    ]
    assert "Traceback" not in done.stderr
    assert "a-wrong-key" not in done.stderr


def test_a_short_position_raises_all_alerts_but_exit_signals(tmp_path: Path) -> None:
    held = tmp_path / "positions.json"
    held.write_text('{"AAPL": 100, "IBM": -100}', encoding="utf-8")
    items = [Frames([5], [frame]) for frame in wire_frames(market())]

    def alerts(file: Path | None) -> dict[str, list[str]]:
        settings = msgspec.structs.replace(SETTINGS, positions_file=file)
        sinks: dict[str, Any] = {field.name: TestingSink([]) for field in fields(Outputs)}
        said: list[Any] = []
        sinks |= {"alerts": TestingSink(said), "opening": SourceElsewhere()}
        run_main(build(TestingSource(items, 50), rules_of(settings, "live"), Outputs(**sinks)))
        found: dict[str, list[str]] = {}
        for symbol, alert in said:
            found.setdefault(symbol, []).append(f"{alert.alert_type} {alert.alert_id}")
        return found

    known, short = alerts(None), alerts(held)
    assert any(text.startswith("exit_signal") for text in known["IBM"])
    without = [text for text in known["IBM"] if not text.startswith("exit_signal")]
    assert short == known | {"IBM": without}
