"""How sure and how far each rule has to be at a site: a section of the site file a rule, every entry with a default."""

from __future__ import annotations

from pydantic import Field

from agent.markings import SitePart


class OddEvenSettings(SitePart):
    """How sure `odd_even` has to be at this site."""

    min_parity_posterior: float = Field(default=0.98, gt=0.5, lt=1)
    """Least probability of the last digit's parity over all candidate texts. Below it a person looks."""
    min_frames: int = Field(default=2, ge=1)
    """Frames in which the plate must be inside the lane."""


class WrongWaySettings(SitePart):
    """How far a vehicle has to go against the permitted direction."""

    min_distance_m: float = Field(default=5.0, gt=0)
    """Least distance against the direction where the site is calibrated, metres: more than a car's length, so that
    pulling back out of a gap is not driving the wrong way."""
    min_lane_share: float = Field(default=0.25, gt=0, lt=1)
    """The same where it is not calibrated, as a share of the lane's length in the picture."""
    min_duration_s: float = Field(default=0.5, ge=0)
    """Least time it takes, seconds: a jump of the tracker is over within two or three frames."""
    min_straightness: float = Field(default=0.8, gt=0, le=1)
    """Least ratio of the distance gained to the path driven: a vehicle that wavers is not accused."""
    min_lane_points_share: float = Field(default=0.7, gt=0, le=1)
    """Least share of the vehicle's points that lie in the lane: a plate that brushes the next lane, where the other
    direction is permitted, does not drive there."""


class StopLineSettings(SitePart):
    """When a stop line counts as crossed, for `red_light` and `stop_line`."""

    hysteresis_m: float = Field(default=0.4, ge=0, le=5)
    """A plate is past the line, or before it, only when it is so by this much, metres: jitter on it counts once."""
    clear_m: float = Field(default=4.0, gt=0, le=50)
    """How far past the line a vehicle has run the light, metres: about a car's length. One that stops sooner has run
    over the line, which is `stop_line`."""
    min_stand_s: float = Field(default=2.0, gt=0)
    """Least time at rest past the line while the light is red, seconds."""


class BusLaneSettings(SitePart):
    """How much of its way a vehicle has to be in a bus lane."""

    min_share_inside: float = Field(default=0.6, gt=0, lt=1)
    """Least share of its path that lies inside: who crosses the lane to turn is in it for less."""
    min_path_m: float = Field(default=8.0, gt=0)
    """Least path inside, metres."""
    min_class_posterior: float = Field(default=0.98, gt=0.5, lt=1)
    """Least probability, over all candidate texts, that the number is of a class the lane is not for. Below it a
    person looks."""


class SpeedSettings(SitePart):
    """From how much of a way a speed is measured."""

    min_points: int = Field(default=10, ge=4)
    """Least number of frames."""
    min_path_m: float = Field(default=6.0, gt=0)
    """Least way, metres."""
    corner_error_px: float = Field(default=0.3, gt=0, le=10)
    """Least standard error of a plate's place in one frame, pixels. Larger ones show in the fit and are used."""
    time_error_s: float = Field(default=0.001, ge=0, le=0.1)
    """Standard error of a frame's time stamp, seconds."""


class StoppingSettings(SitePart):
    """How long a vehicle may stand."""

    max_rest_box_s: float = Field(default=10.0, gt=0)
    """In a box junction, seconds: longer than a driver takes who waits for one who turns."""
    max_rest_s: float = Field(default=30.0, gt=0)
    """In a no-stopping zone, seconds: longer than traffic stands that gives way."""


class ExpirySettings(SitePart):
    """How sure `expiry` has to be of the plate's second line."""

    min_agreeing_reads: int = Field(default=2, ge=2)
    """Least number of frames that read the same month and year."""
    max_dissent: float = Field(default=0.2, ge=0, lt=0.5)
    """Largest share of the frames with a readable second line that say another month or year."""
    min_probability: float = Field(default=0.95, gt=0, lt=1)
    """Least posterior of the date over all reads of the line: two reads of 0.9 reach it, or ten of 0.8."""
