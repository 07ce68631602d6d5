"""Topics asked for, granted, refused and left unanswered."""

from __future__ import annotations

from flows.feeds.subscriptions import Settled, Subscriptions, chunks, named, topics_of


def asked(*topics: str) -> Subscriptions:
    subscriptions = Subscriptions()
    subscriptions.changes(topics)
    return subscriptions


def test_symbols_are_watched_by_trades_and_quotes() -> None:
    assert topics_of(["AAPL", "BRK.B"]) == ["T.AAPL", "Q.AAPL", "T.BRK.B", "Q.BRK.B"]
    assert topics_of("*") == ["T.*", "Q.*"]


def test_a_topic_is_asked_for_once_and_given_up_once() -> None:
    subscriptions = asked("T.A", "Q.A")
    assert subscriptions.changes(["T.A", "Q.A", "T.B"]) == (["T.B"], [])
    for topic in ("T.A", "Q.A", "T.B"):
        assert subscriptions.answered(f"subscribed to: {topic}") == topic
    assert subscriptions.settle(overdue=False) == Settled([], [])
    assert subscriptions.changes(["T.B"]) == ([], ["Q.A", "T.A"])
    assert subscriptions.answered("unsubscribed to: T.A") is None
    assert subscriptions.granted == {"T.B"}
    assert subscriptions.changes(["T.B", "T.A"]) == (["T.A"], [])


def test_all_granted_settles_the_round() -> None:
    subscriptions = asked("T.A", "Q.A")
    assert subscriptions.settle(overdue=False) is None
    subscriptions.answered("subscribed to: T.A")
    assert subscriptions.settle(overdue=False) is None
    subscriptions.answered("subscribed to: Q.A")
    assert subscriptions.settle(overdue=False) == Settled([], [])


def test_a_refusal_is_of_the_topic_that_was_not_granted_whichever_comes_first() -> None:
    subscriptions = asked("T.A", "Q.A")
    subscriptions.refused()
    assert subscriptions.settle(overdue=False) is None
    subscriptions.answered("subscribed to: T.A")
    assert subscriptions.settle(overdue=False) == Settled(["Q.A"], [])
    assert subscriptions.changes(["T.A", "Q.A"]) == ([], [])


def test_what_is_not_answered_in_time_is_told_apart_from_what_is_refused() -> None:
    subscriptions = asked("T.A", "ZZ.A")
    subscriptions.answered("subscribed to: T.A")
    assert subscriptions.settle(overdue=True) == Settled([], ["ZZ.A"])
    assert subscriptions.settle(overdue=True) == Settled([], [])


def test_a_late_answer_is_an_answer() -> None:
    subscriptions = asked("T.A", "Q.A")
    subscriptions.settle(overdue=True)
    assert subscriptions.answered("subscribed to: T.A") == "T.A"
    assert subscriptions.granted == {"T.A"}
    assert subscriptions.settle(overdue=False) == Settled([], [])


def test_what_was_never_answered_may_be_held_and_is_unsubscribed_from_what_is_refused_not() -> None:
    subscriptions = asked("T.A")
    subscriptions.settle(overdue=True)
    assert subscriptions.changes([]) == ([], ["T.A"])
    subscriptions.changes(["T.B"])
    subscriptions.refused()
    assert subscriptions.settle(overdue=False) == Settled(["T.B"], [])
    assert subscriptions.changes([]) == ([], [])
    assert subscriptions.changes(["T.A", "T.B"]) == (["T.A", "T.B"], [])


def test_a_server_that_does_not_name_the_topics_it_grants_is_understood() -> None:
    subscriptions = asked("T.A", "Q.A")
    subscriptions.answered("ok")
    assert subscriptions.settle(overdue=False) is None
    subscriptions.answered("ok")
    assert subscriptions.settle(overdue=False) == Settled([], [])
    assert subscriptions.granted == {"T.A", "Q.A"}


def test_messages_hold_at_most_fifty_topics() -> None:
    topics = topics_of(f"S{i}" for i in range(60))
    assert [len(chunk) for chunk in chunks(topics)] == [50, 50, 20]
    assert [topic for chunk in chunks(topics) for topic in chunk] == topics


def test_a_sentence_names_a_few_and_counts_the_rest() -> None:
    assert named(["T.A", "Q.A"]) == "T.A, Q.A"
    assert named([f"T.{i}" for i in range(9)]) == "T.0, T.1, T.2, T.3, T.4 and 4 more"
