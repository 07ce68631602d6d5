"""What is to go wrong in one run, drawn from its seed: faults of the feed, and acts on the process.

Times are seconds of the tape since its first event. Faults that make what is listed differ from
what is sent (events missing, out of order or late) are left out, and so is a plan that loses its
quotes: the alerts would be others by right.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal, NamedTuple

from benchmarks.chaos.tape import BEGIN_S, QUIET_S
from flows.mock.faults import (
    AuthFailed,
    AuthTimeout,
    Disconnect,
    Duplicates,
    ExtraEvents,
    ExtraKeys,
    Fault,
    FloatKeys,
    HalfOpen,
    LargeFrames,
    MaxConnections,
    Outage,
    RestError,
    RestFault,
    RestHang,
    RestTruncated,
    Silence,
    SlowConsumer,
)

FEWEST, MOST = 3, 10
REFUSED_SHARE = 0.15  # of the runs have a REST that refuses for a while: then gaps may stay
SNAPSHOTS_S = (0.5, 2.0, 10.0)  # the last one is what a user has

Kind = Literal["kill", "torn", "stop", "freeze"]


class Act(NamedTuple):
    """Something done to the process: killed (and its last line torn), stopped, or frozen.

    `pause_s` on our clock: until it is started again, or goes on.
    """

    at_s: float
    kind: Kind
    pause_s: float


class Plan(NamedTuple):
    """One run. `refused`: while REST refuses, so that a gap may stay."""

    seed: int
    faults: tuple[Fault, ...]
    acts: tuple[Act, ...]
    snapshots_s: float
    refused: tuple[tuple[float, float], ...]


Draw = Callable[[random.Random, float, float], list[Fault]]


def _disconnect(rng: random.Random, at_s: float, _: float) -> list[Fault]:
    return [Disconnect(at_s=at_s, code=rng.choice((None, None, 1000, 1001, 1011, 1012)))]


def _handshake(rng: random.Random, at_s: float, _: float) -> list[Fault]:
    stage = rng.choice(("before_connected", "connected", "authenticated", "before_acks"))
    code = rng.choice((None, 1001, 1011))
    again = Disconnect(at_s=at_s, stage=stage, code=code, count=rng.randint(1, 2))
    return [again, Disconnect(at_s=at_s)]


def _outage(rng: random.Random, at_s: float, speed: float) -> list[Fault]:
    return [Outage(at_s=at_s, for_tape_s=rng.uniform(0.1, 1.0) * speed)]


def _silence(rng: random.Random, at_s: float, speed: float) -> list[Fault]:
    """Longer than the watchdog waits: what is missing for less nobody can know of."""
    return [Silence(at_s=at_s, for_tape_s=rng.uniform(1.4, 2.0) * speed)]


def _half_open(rng: random.Random, at_s: float, speed: float) -> list[Fault]:
    return [HalfOpen(at_s=at_s, for_tape_s=rng.uniform(1.4, 2.0) * speed)]


def _over_quota(rng: random.Random, at_s: float, _: float) -> list[Fault]:
    kill: Literal["older", "newcomer"] = rng.choice(("older", "newcomer"))
    return [MaxConnections(at_s=at_s, limit=0, count=1, kill=kill, delay_s=rng.uniform(0, 0.1))]


def _login_unheard(_: random.Random, at_s: float, __: float) -> list[Fault]:
    return [AuthTimeout(at_s=at_s, count=1), Disconnect(at_s=at_s)]


def _login_refused(_: random.Random, at_s: float, __: float) -> list[Fault]:
    return [AuthFailed(at_s=at_s, count=1), Disconnect(at_s=at_s)]


def _slow(rng: random.Random, at_s: float, speed: float) -> list[Fault]:
    buffer = rng.choice((1_000, 100_000))
    return [SlowConsumer(at_s=at_s, for_tape_s=2 * speed, buffer_bytes=buffer)]


def _large(rng: random.Random, at_s: float, speed: float) -> list[Fault]:
    return [LargeFrames(at_s=at_s, for_tape_s=rng.uniform(0.5, 2) * speed)]


def _odd(rng: random.Random, at_s: float, speed: float) -> list[Fault]:
    share, for_s = rng.choice((0.01, 0.2)), 2 * speed
    odd: list[Fault] = [
        Duplicates(at_s=at_s, for_tape_s=for_s, share=share, by_ms=rng.choice((0.0, 200.0, 5e3))),
        ExtraKeys(at_s=at_s, for_tape_s=for_s, share=share),
        FloatKeys(at_s=at_s, for_tape_s=for_s, share=share),
        ExtraEvents(at_s=at_s, for_tape_s=for_s, share=share),
    ]
    return [rng.choice(odd)]


def _rest(rng: random.Random, at_s: float, _: float) -> list[Fault]:
    """A REST that fails once or twice in a row: less often than it is asked again."""
    kind = rng.choice(("limited", "error", "cut", "hang"))
    count = rng.randint(1, 2)
    if kind == "limited":
        wrong: Fault = RestError(
            at_s=at_s, status=429, count=count, retry_after_s=rng.choice((None, 0, 1))
        )
    elif kind == "error":
        wrong = RestError(at_s=at_s, status=rng.choice((500, 502, 503, 504)), count=count)
    elif kind == "cut":
        wrong = RestTruncated(at_s=at_s, count=count, cut=rng.choice(("json", "connection")))
    else:
        wrong = RestHang(at_s=at_s, count=1, hang_s=5)
    return [wrong, Disconnect(at_s=at_s)]


FAULTS: dict[str, tuple[Draw, int]] = {
    "disconnect": (_disconnect, 5),
    "handshake": (_handshake, 3),
    "outage": (_outage, 3),
    "silence": (_silence, 2),
    "half open": (_half_open, 2),
    "over quota": (_over_quota, 1),
    "login unheard": (_login_unheard, 1),
    "login refused": (_login_refused, 1),
    "slow consumer": (_slow, 1),
    "large frames": (_large, 2),
    "odd events": (_odd, 2),
    "rest": (_rest, 4),
}
"""By name: what draws one, and how often it comes beside the others."""


def names_of(plan: Plan) -> list[str]:
    """Return what goes wrong in a run, by kind."""
    kinds = [type(fault).__name__ for fault in plan.faults]
    return [*kinds, *(act.kind for act in plan.acts)]


def _acts(rng: random.Random, first_s: float, last_s: float) -> list[Act]:
    kinds: tuple[Kind, ...] = ("kill", "kill", "kill", "torn", "torn", "stop", "freeze")
    count = rng.randint(1, 3)
    chosen = [rng.choice(kinds[:5]), *(rng.choice(kinds) for _ in range(count - 1))]
    acts = [Act(rng.uniform(first_s, last_s), kind, rng.uniform(0, 0.8)) for kind in chosen]
    return sorted(acts)


def plan_of(seed: int, length_s: float, speed: float) -> Plan:
    """Return the plan of a seed: 3 to 10 faults and 1 to 3 acts, all over before the end."""
    rng = random.Random(seed)
    first_s, last_s = BEGIN_S + speed, length_s - QUIET_S - 5 * speed
    names, weights = list(FAULTS), [weight for _, weight in FAULTS.values()]
    faults: list[Fault] = []
    drawn = rng.choices(names, weights, k=rng.randint(FEWEST, MOST))
    for name in drawn:
        if name == "rest" and any(isinstance(fault, RestFault) for fault in faults):
            continue  # two of them in a row would be more than is forgiven
        draw, _ = FAULTS[name]
        faults += draw(rng, round(rng.uniform(first_s, last_s), 3), speed)
    refused: list[tuple[float, float]] = []
    if rng.random() < REFUSED_SHARE:
        at_s, for_s = rng.uniform(first_s, last_s), rng.uniform(0.2, 1.0) * speed
        refused.append((at_s, at_s + for_s))
        status = rng.choice((401, 403))
        faults += [RestError(at_s=at_s, for_tape_s=for_s, status=status), Disconnect(at_s=at_s)]
    acts = _acts(rng, first_s, last_s)
    return Plan(seed, tuple(faults), tuple(acts), rng.choice(SNAPSHOTS_S), tuple(refused))
