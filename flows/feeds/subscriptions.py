"""Topics of one live session: what is wanted, asked for, granted and refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

TRADES, QUOTES = "T", "Q"
WHOLE_MARKET = ("*",)
CHUNK = 50  # topics in one subscribe message


def topics_of(symbols: Iterable[str]) -> list[str]:
    """Return the topics of symbols: trades and quotes of each, `*` being every symbol."""
    return [f"{event}.{symbol}" for symbol in symbols for event in (TRADES, QUOTES)]


class Settled(NamedTuple):
    """How a round of subscriptions ended: topics refused, and topics never answered."""

    refused: list[str]
    silent: list[str]


class Subscriptions:
    """Which topics stand on this connection, by what the server has answered.

    A refusal does not name its topic: once every topic asked for is either granted or made up
    for by a refusal, those not granted are the refused ones. A server that grants without
    naming the topic is understood too.
    """

    def __init__(self) -> None:
        self.granted: set[str] = set()
        self._asked: dict[str, None] = {}
        self._left: set[str] = set()
        self._refused: set[str] = set()
        self._silent: set[str] = set()  # never answered: may be held all the same
        self._refusals = 0
        self._unnamed = 0

    @property
    def open(self) -> bool:
        """Whether something asked for is not answered yet."""
        return bool(self._asked)

    def changes(self, wanted: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return the topics to subscribe to and to unsubscribe from, now taken as asked for."""
        wanted = dict.fromkeys(wanted)
        known = self.granted | self._asked.keys() | self._refused | self._silent
        new = [topic for topic in wanted if topic not in known]
        old = sorted(topic for topic in self.granted | self._silent if topic not in wanted)
        self._asked.update(dict.fromkeys(new))
        self._left.update(old)
        self.granted.difference_update(old)
        self._silent.difference_update(old)
        self._refused.intersection_update(wanted)
        return new, old

    def answered(self, message: str) -> str | None:
        """Take a `success` into account; return the topic if it grants one that was asked for."""
        topic = message.rpartition(" ")[2]
        if topic in self._left:
            self._left.discard(topic)
        elif topic in self._asked:
            del self._asked[topic]
            self.granted.add(topic)
            return topic
        elif topic in self._silent:  # late, but not never
            self._silent.discard(topic)
            self.granted.add(topic)
            return topic
        else:
            self._unnamed += 1
        return None

    def refused(self) -> None:
        """Take an `error` into account."""
        self._refusals += 1

    def settle(self, overdue: bool) -> Settled | None:
        """Close the round if all is answered, or if it is overdue; else return None."""
        answers = self._refusals + self._unnamed
        if len(self._asked) > answers and not overdue:
            return None
        left = list(self._asked)
        refusals, self._refusals, self._unnamed = self._refusals, 0, 0
        self._asked.clear()
        if not left:
            return Settled([], [])
        if refusals == 0 and answers >= len(left):
            self.granted.update(left)
            return Settled([], [])
        if len(left) <= answers:
            self._refused.update(left)
            return Settled(left, [])
        self._silent.update(left)
        return Settled([], left)


def named(topics: list[str]) -> str:
    """Return topics for a sentence: a few by name, then how many more."""
    shown = ", ".join(topics[:5])
    return shown if len(topics) <= 5 else f"{shown} and {len(topics) - 5} more"


def chunks(topics: list[str]) -> list[list[str]]:
    """Return topics in lists of at most `CHUNK`."""
    return [topics[i : i + CHUNK] for i in range(0, len(topics), CHUNK)]
