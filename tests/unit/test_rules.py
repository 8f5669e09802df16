"""The rules: who broke which law, when, and who did not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from roads import CALENDAR, EVEN, LAW, ODD, TUESDAY_24TH, WIB, drive, judge, scene, vote

from agent.errors import ConfigError
from agent.plate import fuse
from agent.rules import Law, build_rules, load_calendar, load_law
from agent.rules.calendar import seed
from agent.scene import Scene
from agent.types import Candidate, PlateColour, PlateRead, PlateVote, Point, Proof, Track, Violation, ViolationKind


def odd_even(at: datetime, plate: PlateVote, site: Scene | None = None) -> Violation | None:
    return judge(ViolationKind.ODD_EVEN, drive(at), plate, site)


def test_odd_even_finding() -> None:
    """The notice can say when, where, by which article, and what was measured."""
    found = odd_even(TUESDAY_24TH, vote(ODD))
    assert found is not None
    assert found.article.startswith("Pasal 287 ayat (1)")
    assert found.lane_id == "L1"
    assert found.at == found.at.astimezone(UTC)
    assert found.margin == pytest.approx((0.99 - 0.98) / 0.98)
    facts = dict(found.facts)
    assert facts["hours"] == "06:00-10:00"
    assert facts["day_of_month"] == "24 (even)"
    assert facts["last_digit"] == "5 (odd)"
    assert facts["local_time"].endswith("+07:00")


@pytest.mark.parametrize(
    ("local", "guilty"),
    [
        ("2026-11-24T05:59:00", False),
        ("2026-11-24T05:59:59", False),  # enters before six, leaves after
        ("2026-11-24T06:00:00", True),
        ("2026-11-24T09:59:57", True),
        ("2026-11-24T09:59:59", False),  # leaves after ten
        ("2026-11-24T10:00:00", False),
        ("2026-11-24T13:00:00", False),
        ("2026-11-24T16:00:00", True),
        ("2026-11-24T20:59:00", True),
        ("2026-11-24T21:00:00", False),
        ("2026-11-23T08:00:00", False),  # an odd day
        ("2026-11-22T08:00:00", False),  # Sunday
        ("2026-11-28T08:00:00", False),  # Saturday
        ("2026-12-24T08:00:00", False),  # joint leave
        ("2026-12-22T08:00:00", True),
        ("2019-09-06T08:00:00", False),  # before the regulation
    ],
)
def test_odd_even_hours_days_and_holidays(local: str, guilty: bool) -> None:
    """An odd plate is stopped on even working days within the hours, and at no other time."""
    found = odd_even(datetime.fromisoformat(local).replace(tzinfo=WIB), vote(ODD))
    assert (found is not None) == guilty


def test_zero_is_even() -> None:
    """A plate that ends in 0 may drive on even days, and not on odd ones."""
    assert odd_even(TUESDAY_24TH, vote(EVEN)) is None
    assert odd_even(TUESDAY_24TH - timedelta(days=1), vote(EVEN)) is not None


@pytest.mark.parametrize("colour", [PlateColour.YELLOW, PlateColour.RED, PlateColour.BLUE])
def test_odd_even_spares_exempt_colours(colour: PlateColour) -> None:
    """Buses, ministries and embassies get no notice."""
    assert odd_even(TUESDAY_24TH, vote(ODD, colour=colour)) is None


@pytest.mark.parametrize("text", ["B3235XYZ", "D2235XY", "CD12345", "1234505"])
def test_odd_even_spares_motorcycles_and_special_plates(text: str) -> None:
    """Motorcycles, diplomats and the army get no notice."""
    assert odd_even(TUESDAY_24TH, vote(text)) is None


def test_odd_even_needs_a_sure_last_digit_only() -> None:
    """A doubtful last digit goes to a person, or is let off; a doubtful letter does not hide a sure digit."""
    unsure = odd_even(TUESDAY_24TH, vote(ODD, 0.97))
    assert unsure is not None
    assert unsure.proof is Proof.DOUBTFUL
    digits = (Candidate("B1235XYZ", 0.4), Candidate("B1236XYZ", 0.5))
    assert odd_even(TUESDAY_24TH, fuse([PlateRead(digits, (0.9,) * 8, PlateColour.WHITE, 0.9, None, 1.0)])) is None
    letters = (Candidate("B1235XYZ", 0.6), Candidate("B1235XVZ", 0.39))
    doubtful = fuse([PlateRead(letters, (0.9,) * 8, PlateColour.WHITE, 0.9, None, 1.0)])
    found = odd_even(TUESDAY_24TH, doubtful)
    assert found is not None
    assert found.proof is Proof.WHOLE


def test_odd_even_holds_only_in_its_lanes() -> None:
    """A car on the road beside the restricted one is free."""
    beside = drive(TUESDAY_24TH, Point(300, 120), Point(300, 480))
    assert judge(ViolationKind.ODD_EVEN, beside, vote(ODD)) is None
    lanes = [scene().lanes[0].model_dump() | {"rules": ["wrong_way"]}]
    assert odd_even(TUESDAY_24TH, vote(ODD), scene(lanes=lanes)) is None


def test_odd_even_without_a_calendar_leaves_no_margin() -> None:
    """In a year whose holidays nobody entered, a person decides."""
    found = odd_even(datetime(2031, 11, 24, 8, 0, tzinfo=WIB), vote(ODD))
    assert found is not None
    assert found.margin == 0


def wrong_way(track: Track, site: Scene | None = None) -> Violation | None:
    return judge(ViolationKind.WRONG_WAY, track, vote(ODD), site)


def test_wrong_way_finding() -> None:
    """A vehicle that drives up the lane is found, with its distance in metres."""
    found = wrong_way(drive(TUESDAY_24TH, Point(150, 480), Point(150, 380)))
    assert found is not None
    assert found.margin == pytest.approx(10 / 5 - 1)
    assert dict(found.facts)["distance_against"] == "10.00 m"


def test_wrong_way_without_calibration_goes_by_the_lane() -> None:
    """A site nobody measured still finds who drives up the whole lane."""
    found = wrong_way(drive(TUESDAY_24TH, Point(150, 480), Point(150, 280)), scene(calibration=None))
    assert found is not None
    assert dict(found.facts)["distance_against"] == "0.50 of the lane"
    assert found.margin == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        (Point(150, 120), Point(150, 480), 2.0),  # the permitted way
        (Point(150, 480), Point(150, 440), 2.0),  # pulls back 4 m
        (Point(150, 480), Point(150, 380), 0.2),  # a jump
        (Point(110, 400), Point(190, 340), 2.0),  # across the lane
        (Point(260, 480), Point(180, 200), 2.0),  # mostly outside
    ],
)
def test_wrong_way_spares(start: Point, end: Point, seconds: float) -> None:
    """Who drives the permitted way, pulls back, crosses or passes beside the lane is free."""
    assert wrong_way(drive(TUESDAY_24TH, start, end, seconds)) is None


def test_rules_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    """A site that asks for a rule this version does not have is told so at the start."""
    with pytest.raises(ConfigError, match=r"no law file describes `expiry`; add config/law/expiry.yaml"):
        build_rules(scene(rules=["expiry"]), Law({}), CALENDAR)
    with pytest.raises(ConfigError, match="holds no law file"):
        load_law(tmp_path)
    with pytest.raises(ConfigError, match="holds no calendar"):
        load_calendar(tmp_path)


def test_every_rule_has_its_law() -> None:
    """A rule that can be switched on can be accused of: article, wording and fine are there."""
    assert set(LAW.by_kind) == set(ViolationKind)
    for law in LAW.by_kind.values():
        version = law.on(date(2026, 11, 24))
        assert version is not None
        assert version.pasal.startswith("Pasal ")
        assert version.denda_maksimal_idr >= 250_000


def test_law_versions_must_not_overlap(tmp_path: Path) -> None:
    """Two fines for one day are noticed before a notice names one of them."""
    version = "{effective_from: 2020-01-01, pasal: P, uraian: U, denda_maksimal_idr: 1, source: S}"
    path = tmp_path / "wrong_way.yaml"
    path.write_text(f"kind: wrong_way\nname: W\nversions:\n  - {version}\n  - {version}\n")
    with pytest.raises(ConfigError, match="versions: two hold on 2020-01-01"):
        load_law(tmp_path)
    path.write_text(f"kind: odd_even\nname: W\nversions: [{version}]\n")
    with pytest.raises(ConfigError, match=r"versions\[0\].terms.hours: is missing; add it"):
        load_law(tmp_path)


def test_seeded_calendar_loads(tmp_path: Path) -> None:
    """A new year's calendar is one command away."""
    (tmp_path / "2028.yaml").write_text(seed(2028))
    calendar = load_calendar(tmp_path)
    assert calendar.covers(date(2028, 5, 2))
    assert not calendar.covers(date(2029, 1, 1))
    assert calendar.is_off(date(2028, 8, 17))
