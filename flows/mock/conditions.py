"""The vendor's trade conditions, as `/v3/reference/conditions` listed them on 2026-08-11."""

from __future__ import annotations

from typing import Any, NamedTuple

SALE = "sale_condition"
EXEMPT = "trade_thru_exempt"
SHORT = "short_sale_restriction_indicator"
STATUS = "financial_status_indicator"

_RULES = ("updates_high_low", "updates_open_close", "updates_volume")
_SIPS = ("CTA", "UTP", "FINRA_TDDS")


class Condition(NamedTuple):
    """A condition: its letter on each SIP, and what a trade that carries it updates.

    `consolidated` and `market_center` say y or n for high and low, open and close, volume; a
    condition that is no property of the trade says nothing.
    """

    number: int
    name: str
    type: str
    cta: str
    utp: str
    finra: str
    consolidated: str
    market_center: str
    legacy: bool = False
    exchange: int | None = None


# fmt: off
TRADE_CONDITIONS = (
    Condition(1, "Acquisition", SALE, "", "A", "", "yyy", "yyy"),
    Condition(2, "Average Price Trade", SALE, "B", "W", "W", "nny", "nny"),
    Condition(3, "Automatic Execution", SALE, "E", "", "", "yyy", "yyy"),
    Condition(4, "Bunched Trade", SALE, "", "B", "", "yyy", "yyy"),
    Condition(5, "Bunched Sold Trade", SALE, "", "G", "", "yny", "yny"),
    Condition(6, "CAP Election", SALE, "I", "", "", "yyy", "yyy", legacy=True),
    Condition(7, "Cash Sale", SALE, "C", "C", "C", "nny", "nny"),
    Condition(8, "Closing Prints", SALE, "", "6", "", "yyy", "yyy"),
    Condition(9, "Cross Trade", SALE, "X", "X", "", "yyy", "yyy"),
    Condition(10, "Derivatively Priced", SALE, "4", "4", "", "yny", "yny"),
    Condition(11, "Distribution", SALE, "", "D", "", "yyy", "yyy"),
    Condition(12, "Form T/Extended Hours", SALE, "T", "T", "T", "nny", "nny"),
    Condition(13, "Extended Hours (Sold Out Of Sequence)", SALE, "U", "U", "U", "nny", "nny"),
    Condition(14, "Intermarket Sweep", SALE, "F", "F", "", "yyy", "yyy"),
    Condition(15, "Market Center Official Close", SALE, "M", "M", "", "nnn", "yyn"),
    Condition(16, "Market Center Official Open", SALE, "Q", "Q", "", "nnn", "ynn"),
    Condition(17, "Market Center Opening Trade", SALE, "O", "", "", "yyy", "yyy"),
    Condition(18, "Market Center Reopening Trade", SALE, "5", "", "", "yyy", "yyy"),
    Condition(19, "Market Center Closing Trade", SALE, "6", "", "", "yyy", "yyy"),
    Condition(20, "Next Day", SALE, "N", "N", "N", "nny", "nny"),
    Condition(21, "Price Variation Trade", SALE, "H", "H", "", "nny", "nny"),
    Condition(22, "Prior Reference Price", SALE, "P", "P", "P", "yny", "yny"),
    Condition(23, "Rule 155 Trade (AMEX)", SALE, "K", "K", "", "yyy", "yyy", exchange=1),
    Condition(24, "Rule 127 (NYSE Only)", SALE, "K", "", "", "yyy", "yyy", exchange=10),
    Condition(25, "Opening Prints", SALE, "", "O", "", "yyy", "yyy"),
    Condition(27, "Stopped Stock (Regular Trade)", SALE, "", "1", "", "yyy", "yyy", legacy=True),
    Condition(28, "Re-Opening Prints", SALE, "", "5", "", "yyy", "yyy"),
    Condition(29, "Seller", SALE, "R", "R", "R", "nny", "nny"),
    Condition(30, "Sold Last", SALE, "L", "L", "", "yyy", "yyy"),
    Condition(31, "Sold Last and Stopped Stock", SALE, "", "2", "", "yyy", "yyy", legacy=True),
    Condition(32, "Sold (Out Of Sequence)", SALE, "Z", "Z", "Z", "yny", "yny"),
    Condition(33, "Sold (Out of Sequence) and Stopped Stock",
              SALE, "", "3", "", "yny", "yny", legacy=True),
    Condition(34, "Split Trade", SALE, "", "S", "", "yyy", "yyy"),
    Condition(35, "Stock Option", SALE, "", "V", "", "yyy", "yyy", legacy=True),
    Condition(36, "Yellow Flag Regular Trade", SALE, "", "Y", "", "yyy", "yyy"),
    Condition(37, "Odd Lot Trade", SALE, "I", "I", "I", "nny", "nny"),
    Condition(38, "Corrected Consolidated Close (per listing market)",
              SALE, "9", "9", "", "yyn", "nnn"),
    Condition(41, "Trade Thru Exempt", EXEMPT, "1", "X", "", "yyy", "yyy"),
    Condition(52, "Contingent Trade", SALE, "V", "V", "", "nny", "nny"),
    Condition(53, "Qualified Contingent Trade", SALE, "7", "7", "", "nny", "nny"),
    Condition(55, "Opening Reopening Trade Detail", SALE, "G", "", "", "yyy", "yyy", legacy=True),
    Condition(57, "Short Sale Restriction Activated", SHORT, "A", "", "", "", ""),
    Condition(58, "Short Sale Restriction Continued", SHORT, "C", "", "", "", ""),
    Condition(59, "Short Sale Restriction Deactivated", SHORT, "D", "", "", "", ""),
    Condition(60, "Short Sale Restriction In Effect", SHORT, "E", "", "", "", ""),
    Condition(62, "Financial Status - Bankrupt", STATUS, "1", "", "", "", ""),
    Condition(63, "Financial Status - Deficient", STATUS, "2", "", "", "", ""),
    Condition(64, "Financial Status - Delinquent", STATUS, "3", "", "", "", ""),
    Condition(65, "Financial Status - Bankrupt and Deficient", STATUS, "4", "", "", "", ""),
    Condition(66, "Financial Status - Bankrupt and Delinquent", STATUS, "5", "", "", "", ""),
    Condition(67, "Financial Status - Deficient and Delinquent", STATUS, "6", "", "", "", ""),
    Condition(68, "Financial Status - Deficient, Delinquent, and Bankrupt",
              STATUS, "7", "", "", "", ""),
    Condition(69, "Financial Status - Liquidation", STATUS, "A", "", "", "", ""),
    Condition(70, "Financial Status - Creations Suspended", STATUS, "8", "", "", "", ""),
    Condition(71, "Financial Status - Redemptions Suspended", STATUS, "9", "", "", "", ""),
)
# fmt: on


def _updates(flags: str) -> dict[str, bool]:
    return {rule: flag == "y" for rule, flag in zip(_RULES, flags, strict=True)}


def condition_result(condition: Condition) -> dict[str, Any]:
    """Return a condition as the route lists it."""
    letters = zip(_SIPS, (condition.cta, condition.utp, condition.finra), strict=True)
    result: dict[str, Any] = {
        "id": condition.number,
        "type": condition.type,
        "name": condition.name,
        "asset_class": "stocks",
        "sip_mapping": {sip: letter for sip, letter in letters if letter},
        "data_types": ["trade"],
    }
    if condition.consolidated:
        result["update_rules"] = {
            "consolidated": _updates(condition.consolidated),
            "market_center": _updates(condition.market_center),
        }
    if condition.legacy:
        result["legacy"] = True
    if condition.exchange is not None:
        result["exchange"] = condition.exchange
    return result
