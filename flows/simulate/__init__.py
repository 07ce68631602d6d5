"""A synthetic market: one US session of invented symbols, with sellers and bursts planted in it."""

from flows.simulate.generate import DAY, SEED, simulate
from flows.simulate.listings import LISTINGS, Listing
from flows.simulate.planting import Expected, Label
from flows.simulate.tape import Tape, read_labels

__all__ = [
    "DAY",
    "LISTINGS",
    "SEED",
    "Expected",
    "Label",
    "Listing",
    "Tape",
    "read_labels",
    "simulate",
]
