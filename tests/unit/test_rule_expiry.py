"""Expiry: a month that has passed, read twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from roads import ODD, TUESDAY_24TH, WIB, drive, follow, judge, read, scene, vote

from agent.rules.expiry import lacks_reads
from agent.types import Expiry, Point, Proof, Violation, ViolationKind


def expiry(*said: Expiry | None, at: datetime = TUESDAY_24TH) -> Violation | None:
    reads = [read(ODD, expiry=each) for each in said]
    track = follow(at, lambda s: Point(150, 120 + 100 * s), 2, reads=reads)
    return judge(ViolationKind.EXPIRY, track, vote(ODD), scene(rules=["expiry"]))


MARCH_2025 = Expiry(3, 2025, 0.97)


def test_expiry_finding() -> None:
    """The notice can say to which month the plate was valid and for how long it has not been."""
    found = expiry(MARCH_2025, None, MARCH_2025)
    assert found is not None
    assert found.article.startswith("Pasal 288 ayat (1)")
    facts = dict(found.facts)
    assert facts["valid_to"] == "03.2025"
    assert facts["days_over"] == "603"
    assert facts["agreeing_reads"] == "2 of 2"
    assert found.margin == pytest.approx(603 / 30 - 1)


@pytest.mark.parametrize(
    ("local", "guilty"),
    [
        ("2026-10-31T23:59:00", False),
        ("2026-11-01T00:01:00", False),  # the month is over, the grace begins
        ("2026-11-30T23:59:00", False),  # its last minute
        ("2026-12-01T00:01:00", True),
        ("2026-12-25T08:00:00", True),  # holidays change nothing
    ],
)
def test_expiry_grace(local: str, guilty: bool) -> None:
    """A plate valid to October is good through October and the thirty days of grace, to the minute, local time."""
    at = datetime.fromisoformat(local).replace(tzinfo=WIB) - timedelta(seconds=1)
    october = Expiry(10, 2026, 0.97)
    assert (expiry(october, october, at=at) is not None) == guilty


@pytest.mark.parametrize(
    ("said", "proof"),
    [
        ((), None),
        ((Expiry(3, 2028, 0.97), Expiry(3, 2028, 0.97)), None),  # valid
        ((MARCH_2025,), Proof.HIDDEN),
        ((MARCH_2025, Expiry(3, 2028, 0.97)), Proof.HIDDEN),  # two years that are one stroke apart
        ((*[Expiry(3, 2028, 0.97)] * 6, MARCH_2025), None),  # a misread
        ((MARCH_2025, MARCH_2025, Expiry(3, 2026, 0.97)), Proof.DOUBTFUL),  # a third says otherwise
        ((Expiry(3, 2025, 0.7), Expiry(3, 2025, 0.7)), Proof.DOUBTFUL),
        ((Expiry(3, 2025, 0.85),) * 8, Proof.WHOLE),
        ((*[MARCH_2025] * 5, Expiry(8, 2025, 0.92)), Proof.WHOLE),  # a glare on one of six frames
    ],
)
def test_expiry_needs_reads_that_agree(said: tuple[Expiry, ...], proof: Proof | None) -> None:
    """One look at a small line, or two that differ, accuses nobody; what a person can read is not lost either."""
    found = expiry(*said)
    assert (found.proof if found else None) is proof


@pytest.mark.parametrize(
    ("rules", "said", "lacking"),
    [
        (["odd_even"], [], False),
        (["expiry"], [], True),
        (["expiry"], [MARCH_2025], True),
        (["expiry"], [MARCH_2025, Expiry(8, 2025, 0.95)], True),
        (["expiry"], [MARCH_2025, MARCH_2025], False),
    ],
)
def test_reading_goes_on_until_the_line_is_settled(rules: list[str], said: list[Expiry], lacking: bool) -> None:
    """The number is settled from afar, where no second line is to be seen: the rule would never find anybody."""
    track = follow(TUESDAY_24TH, lambda s: Point(150, 120), 1, reads=[read(ODD, expiry=each) for each in said])
    assert lacks_reads(track, scene(rules=rules)) == lacking


def test_expiry_holds_in_lanes_only() -> None:
    """A car parked beside the road is not driving."""
    beside = drive(TUESDAY_24TH, Point(300, 120), Point(300, 480))
    points = tuple(replace(point, read=read(ODD, expiry=MARCH_2025)) for point in beside.points)
    track = replace(beside, points=points)
    assert judge(ViolationKind.EXPIRY, track, vote(ODD), scene(rules=["expiry"])) is None
