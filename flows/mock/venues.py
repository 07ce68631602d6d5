"""Exchange letters of the tapes as the numbers the vendor's wire carries."""

from __future__ import annotations

UNKNOWN_VENUE = 0

VENUE_OF_LETTER: dict[str, int] = {
    "A": 1,  # NYSE American
    "B": 2,  # Nasdaq BX
    "C": 3,  # NYSE National
    "D": 4,  # FINRA: the trade reporting facilities and the ADF
    "E": 5,  # UTP SIP
    "I": 6,  # ISE
    "J": 7,  # EDGA
    "K": 8,  # EDGX
    "M": 9,  # NYSE Chicago
    "N": 10,  # NYSE
    "P": 11,  # NYSE Arca
    "Q": 12,  # Nasdaq, on the listings it lists
    "T": 12,  # Nasdaq, as the CTA spells it on everyone else's
    "S": 13,  # CTA SIP
    "L": 14,  # LTSE
    "V": 15,  # IEX
    "W": 16,  # CBOE Stock Exchange
    "X": 17,  # Nasdaq PHLX
    "Y": 18,  # BYX
    "Z": 19,  # BZX
    "H": 20,  # MIAX Pearl
    "U": 21,  # MEMX
}
"""Participant letters of the SIPs to exchange ids of the vendor's `/v3/reference/exchanges`."""


def venue_id(exchange: str | None) -> int:
    """Return the vendor's exchange id of a tape's `exchange`: a letter, a number, or nothing.

    A tape without exchanges, and a letter no SIP uses, give 0, which is no exchange's id.
    """
    if not exchange:
        return UNKNOWN_VENUE
    if exchange.isdecimal():
        return int(exchange)
    return VENUE_OF_LETTER.get(exchange, UNKNOWN_VENUE)
