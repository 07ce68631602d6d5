"""The REST client against servers that fail in every way we know of."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from flows.feeds.rest import Patience, Rest, RestError, RestRefusedError, RestTiming, Row
from tests.flows.http import KEY, HttpServer, Reply, in_turn

QUICK = RestTiming(
    connect_s=0.5, read_s=0.5, answer_s=0.5, pauses_s=(0.02, 0.04, 0.08), a_second=1e6
)
ONE = {"results": [{"id": "1", "price": 1.5}]}
WHOLE = Reply(ONE)


def trades(
    server: HttpServer, timing: RestTiming = QUICK, patience: Patience | None = None
) -> list[Row]:
    rest = Rest(server.url, KEY, timing)
    return rest.rows("trades", "BRK.B", 100, 200, patience or Patience(5))


def problem(server: HttpServer, timing: RestTiming = QUICK, seconds: float = 5) -> str:
    with server, pytest.raises(RestError) as error:
        trades(server, timing, Patience(seconds))
    assert KEY not in str(error.value)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_listing_is_asked_for_oldest_first_with_the_key_in_a_header_only() -> None:
    with in_turn(WHOLE) as server:
        assert trades(server) == ONE["results"]
    (heard,) = server.heard
    assert heard.target == (
        "/v3/trades/BRK.B?timestamp.gte=100&timestamp.lt=200&order=asc&sort=timestamp&limit=50000"
    )
    assert heard.authorization == f"Bearer {KEY}"


def test_a_symbol_cannot_leave_its_place_in_the_address() -> None:
    with in_turn(WHOLE) as server:
        Rest(server.url, KEY, QUICK).rows("quotes", "A/../B?x", 1, 2, Patience(5))
    assert server.heard[0].target.startswith("/v3/quotes/A%2F..%2FB%3Fx?timestamp.gte=1&")


def test_pages_are_followed_at_our_own_host_until_there_is_no_next_one() -> None:
    link = "https://elsewhere.example/v3/trades/BRK.B?cursor=abc%3D"
    with in_turn(Reply({**ONE, "next_url": link}), Reply({"status": "OK"})) as server:
        assert trades(server) == ONE["results"]
    assert server.heard[1].target == "/v3/trades/BRK.B?cursor=abc%3D"
    assert server.heard[1].authorization == f"Bearer {KEY}"


def test_pages_that_repeat_come_to_an_end() -> None:
    server = in_turn(Reply({**ONE, "next_url": "https://elsewhere.example/v3/trades/A?cursor=a"}))
    assert problem(server) == "the pages of REST at 127.0.0.1 come to no end"
    assert len(server.heard) == 2


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "does not know this key (401)"), (403, "the plan of this key does not include it")],
)
def test_a_refusal_is_final(status: int, says: str) -> None:
    with (
        in_turn(Reply({"error": f"no {KEY}"}, status)) as server,
        pytest.raises(RestRefusedError) as e,
    ):
        trades(server)
    assert str(e.value).endswith(says)
    assert KEY not in str(e.value)
    assert len(server.heard) == 1


def test_an_answer_nobody_has_heard_of_is_not_asked_for_again() -> None:
    server = in_turn(Reply(b"404 page not found", 404))
    assert problem(server) == "REST at 127.0.0.1 answers 404"
    assert len(server.heard) == 1


FAULTS = [
    Reply(status=500),
    Reply(status=429),
    Reply(b'{"results":[{"id":"1","pri'),  # cut off, and sent as if whole
    Reply(ONE, missing=10),  # cut off by the connection
    Reply(b"<html>"),
    Reply({"results": 5}),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_three_faults_are_forgiven(fault: Reply) -> None:
    with in_turn(fault, fault, fault, WHOLE) as server:
        assert trades(server) == ONE["results"]
    pauses = [b.at - a.at for a, b in zip(server.heard, server.heard[1:], strict=False)]
    for pause, least in zip(pauses, (0.01, 0.02, 0.04), strict=True):
        assert pause >= least


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fourth_is_not(fault: Reply) -> None:
    server = in_turn(fault)
    assert problem(server).startswith("REST at 127.0.0.1 ")
    assert len(server.heard) == 4


def test_what_retry_after_says_is_waited_for() -> None:
    with in_turn(Reply(status=429, retry_after="1"), WHOLE) as server:
        assert trades(server) == ONE["results"]
    assert server.heard[1].at - server.heard[0].at >= 1


def test_a_retry_after_beyond_all_patience_is_not_waited_for() -> None:
    began = time.monotonic()
    server = in_turn(Reply(status=429, retry_after="60"))
    assert problem(server, seconds=1) == "REST at 127.0.0.1 answers 429"
    assert time.monotonic() - began < 1


def test_a_server_that_hangs_is_given_up() -> None:
    began = time.monotonic()
    quick = RestTiming(0.1, 0.1, 0.5, (0.01,), 1e6)
    server = in_turn(Reply(ONE, pause_s=5))
    assert problem(server, quick) == "REST at 127.0.0.1 does not answer"
    assert len(server.heard) == 2
    assert time.monotonic() - began < 3


def test_a_server_that_dribbles_is_given_up() -> None:
    quick = RestTiming(0.1, 0.2, 0.3, (), 1e6)
    server = in_turn(Reply(ONE, pause_s=0.05, parts=30))
    assert problem(server, quick) == "REST at 127.0.0.1 answers too slowly"


def test_a_server_that_is_not_there_is_given_up() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        rest = Rest(f"http://127.0.0.1:{taken.getsockname()[1]}", KEY, QUICK)
        with pytest.raises(RestError, match=r"REST at 127\.0\.0\.1 cannot be reached"):
            rest.rows("trades", "A", 1, 2, Patience(5))


def test_requests_keep_to_the_rate() -> None:
    timing = RestTiming(a_second=25)
    with in_turn(WHOLE) as server:
        rest = Rest(server.url, KEY, timing)
        for _ in range(6):
            rest.rows("trades", "A", 1, 2, Patience(5))
    assert server.heard[-1].at - server.heard[0].at >= 4 / 25


def test_another_thread_can_end_all_waiting() -> None:
    patience = Patience(60)
    threading.Timer(0.1, patience.end).start()
    began = time.monotonic()
    with in_turn(Reply(status=500)) as server, pytest.raises(RestError):
        trades(server, RestTiming(pauses_s=(30,)), patience)
    assert time.monotonic() - began < 5
    assert patience.over


def test_patience_begins_anew_with_what_comes_but_not_for_ever() -> None:
    short, long = Patience(0.5), Patience(0.5, longest_s=60)
    time.sleep(0.5)
    for patience in (short, long):
        assert patience.over
        patience.renew()
    assert (short.over, long.over) == (True, False)
