"""Bus lane and stopping: who was in a zone, for how long, at which hours."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any

import pytest
from roads import ODD, TUESDAY_24TH, WIB, drive, follow, judge, scene, vote

from agent.plate import fuse
from agent.scene import Scene
from agent.types import Candidate, PlateColour, PlateRead, PlateVote, Point, Proof, Track, Violation, ViolationKind

STRIP = [[200, 100], [300, 100], [300, 500], [200, 500]]
INSIDE, INSIDE_END = Point(250, 110), Point(250, 490)
WORKDAYS = [{"days": ["mon", "tue", "wed", "thu", "fri"], "begin": "06:00", "end": "10:00"}]
BUS, TAXI = "B7123AB", "B1235XYZ"


def bus_site(**zone: Any) -> Scene:
    lane = {"id": "BUS", "kind": "bus_lane", "polygon": STRIP, "permitted_classes": ["bus"]}
    return scene(rules=["bus_lane"], zones=[lane | zone])


def bus_lane(track: Track, plate: PlateVote | None = None, site: Scene | None = None) -> Violation | None:
    return judge(ViolationKind.BUS_LANE, track, plate or vote(ODD), site or bus_site())


def number(*texts: tuple[str, float]) -> PlateVote:
    """A plate that may be each of some."""
    return fuse([PlateRead(tuple(Candidate(*each) for each in texts), (0.9,) * 7, PlateColour.WHITE, 1, None, 1)])


def in_bus_lane(at: datetime = TUESDAY_24TH) -> Track:
    return drive(at, INSIDE, INSIDE_END)


def test_bus_lane_finding() -> None:
    """The notice can say that the whole way was in the bus lane, and at which hours it holds."""
    found = bus_lane(in_bus_lane(), site=bus_site(hours=WORKDAYS))
    assert found is not None
    facts = dict(found.facts)
    assert facts["share_inside"] == "1.00"
    assert facts["path_inside"] == "38.0 m"
    assert facts["hours"] == "06:00-10:00"
    assert facts["permitted"] == "bus"
    assert found.lane_id == "BUS"
    assert found.margin == pytest.approx(1 / 0.6 - 1)


@pytest.mark.parametrize(
    ("local", "guilty"),
    [
        ("2026-11-24T05:59:00", False),
        ("2026-11-24T05:59:59", False),
        ("2026-11-24T06:00:00", True),
        ("2026-11-24T09:59:57", True),
        ("2026-11-24T09:59:59", False),
        ("2026-11-24T10:01:00", False),
        ("2026-11-28T08:00:00", False),  # Saturday
        ("2026-12-24T08:00:00", False),  # joint leave
        ("2026-12-22T08:00:00", True),
    ],
)
def test_bus_lane_hours_days_and_holidays(local: str, guilty: bool) -> None:
    """A bus lane with hours is anybody's one minute before and after them, and on days off where its sign says so."""
    at = datetime.fromisoformat(local).replace(tzinfo=WIB)
    found = bus_lane(in_bus_lane(at), site=bus_site(hours=WORKDAYS, off_on_holidays=True))
    assert (found is not None) == guilty


def test_a_bus_lane_without_hours_holds_always() -> None:
    """Busways are closed to others by night and on Sundays, too; an unknown holiday leaves no margin."""
    sunday = datetime(2026, 11, 22, 3, 0, tzinfo=WIB)
    found = bus_lane(in_bus_lane(sunday))
    assert found is not None
    assert dict(found.facts)["hours"] == "always"
    later = datetime(2031, 11, 24, 8, 0, tzinfo=WIB)
    uncertain = bus_lane(in_bus_lane(later), site=bus_site(off_on_holidays=True))
    assert uncertain is not None
    assert uncertain.margin == 0


@pytest.mark.parametrize(
    "plate",
    [
        vote(BUS),
        vote(BUS, colour=PlateColour.YELLOW),
        vote(TAXI, colour=PlateColour.RED),
        vote("CD12345"),
        number(("B1123AB", 0.4), (BUS, 0.5)),
    ],
    ids=["bus", "yellow bus", "permitted colour", "diplomat", "rather a bus"],
)
def test_bus_lane_spares_whom_it_is_for(plate: PlateVote) -> None:
    """Buses, exempt colours, and a plate that is rather a bus's are free."""
    assert bus_lane(in_bus_lane(), plate, bus_site(permitted_colours=["white_on_red"])) is None


def test_who_may_be_a_bus_is_looked_at_by_a_person() -> None:
    """A one that may be a seven: a bus would be accused, or a car be lost without a word."""
    in_lane = bus_lane(in_bus_lane(), number(("B1123AB", 0.9), (BUS, 0.09)))
    assert in_lane is not None
    assert in_lane.proof is Proof.DOUBTFUL
    at_rest = stopping(stands(60), stop_site(permitted_classes=["bus"]), number(("B1123AB", 0.9), (BUS, 0.09)))
    assert at_rest is not None
    assert at_rest.proof is Proof.DOUBTFUL


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (Point(150, 120), Point(150, 480)),  # the next lane
        (Point(120, 200), Point(380, 260)),  # crosses it to turn
        (Point(150, 110), Point(250, 490)),  # merges into it at the end
        (Point(250, 110), Point(250, 170)),  # a short way only
    ],
)
def test_bus_lane_spares_who_only_crosses(start: Point, end: Point) -> None:
    """Who turns across the lane or is seen in it for a few metres is free."""
    assert bus_lane(drive(TUESDAY_24TH, start, end)) is None


def test_a_queue_in_the_next_lane_does_not_dilute_the_way() -> None:
    """Standing for long before changing into the bus lane does not make the way inside a smaller share."""
    track = follow(TUESDAY_24TH, lambda s: Point(250, 110) if s < 8 else Point(250, 110 + 95 * (s - 8)), 12)
    assert bus_lane(track) is not None


# --- Stopping -----------------------------------------------------------------------------------------------------


def stop_site(kind: str = "no_stopping", **zone: Any) -> Scene:
    return scene(rules=["stopping"], zones=[{"id": "Z", "kind": kind, "polygon": STRIP} | zone])


def stopping(track: Track, site: Scene | None = None, plate: PlateVote | None = None) -> Violation | None:
    return judge(ViolationKind.STOPPING, track, plate or vote(ODD), site or stop_site())


def stands(seconds: float, at: datetime = TUESDAY_24TH, jitter_px: float = 0.5, x: float = 250) -> Track:
    """Comes in, stands for so long, and leaves; 10 frames/s."""
    rng = Random(1)

    def place(s: float) -> Point:
        y = 110 + 100 * min(s, 1.5) + 100 * max(0.0, s - 1.5 - seconds)
        return Point(x + rng.gauss(0, jitter_px), y + rng.gauss(0, jitter_px))

    return follow(at, place, seconds + 3, fps=10)


def test_stopping_finding() -> None:
    """The notice can say for how long the car stood, and how long it may."""
    found = stopping(stands(45))
    assert found is not None
    assert found.article.startswith("Pasal 287 ayat (3)")
    facts = dict(found.facts)
    assert float(facts["at_rest"].removesuffix(" s")) == pytest.approx(45, abs=0.6)
    assert facts["max_rest"] == "30.0 s"
    assert facts["zone"] == "Z (no_stopping)"
    assert found.margin == pytest.approx(0.5, abs=0.02)
    before, at, after = (number for _, number in found.frames)
    assert before == at < after


@pytest.mark.parametrize(
    ("kind", "seconds", "guilty"),
    [
        ("no_stopping", 29, False),
        ("no_stopping", 31, True),
        ("box_junction", 9, False),
        ("box_junction", 11, True),
    ],
)
def test_stopping_limits(kind: str, seconds: float, guilty: bool) -> None:
    """A box junction is for seconds, a no-stopping zone for half a minute."""
    assert (stopping(stands(seconds), stop_site(kind)) is not None) == guilty


@pytest.mark.parametrize(
    ("local", "guilty"),
    [
        ("2026-11-24T05:58:30", False),
        ("2026-11-24T05:59:45", False),  # stands from before six on
        ("2026-11-24T06:00:00", True),
        ("2026-11-24T09:59:00", True),
        ("2026-11-24T09:59:45", False),  # gone after ten
        ("2026-11-24T10:01:00", False),
        ("2026-11-29T08:00:00", False),  # Sunday
        ("2026-12-25T08:00:00", False),
    ],
)
def test_stopping_hours(local: str, guilty: bool) -> None:
    """Where the sign has hours, the whole rest must lie within them."""
    at = datetime.fromisoformat(local).replace(tzinfo=WIB)
    found = stopping(stands(40, at), stop_site(hours=WORKDAYS, off_on_holidays=True))
    assert (found is not None) == guilty


def test_stopping_spares() -> None:
    """Who stands beside the zone, creeps through it, or is a bus at its stop is free."""
    assert stopping(stands(60, x=150)) is None
    assert stopping(follow(TUESDAY_24TH, lambda s: Point(250, 110 + 5 * s), 60, fps=10)) is None
    assert stopping(stands(60), stop_site(permitted_classes=["bus"]), vote(BUS)) is None
    assert (
        stopping(stands(60), stop_site(permitted_colours=["black_on_yellow"]), vote(ODD, colour=PlateColour.YELLOW))
        is None
    )
    assert stopping(stands(60), stop_site(permitted_classes=["bus"])) is not None


def test_two_short_rests_are_not_one_long_one() -> None:
    """Stop and go in a jam is not stopping."""
    track = follow(TUESDAY_24TH, lambda s: Point(250, 150 if s < 20 else 190), 40, fps=10)
    assert stopping(track) is None
