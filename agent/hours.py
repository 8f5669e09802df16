"""Spans of the day on some weekdays, local time, as laws and signs give them (pure)."""

from __future__ import annotations

from datetime import date, time
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Weekday(StrEnum):
    """In the order of `date.weekday()`."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


class Hours(BaseModel):
    """A span of the day on some weekdays, local time."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    days: tuple[Weekday, ...] = Field(min_length=1)
    begin: time
    """First moment."""
    end: time
    """First moment after it."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begin >= self.end:
            raise ValueError("begin is not before end; split a span that passes midnight in two")
        return self

    def hold(self, day: date, clock: time) -> bool:
        return tuple(Weekday)[day.weekday()] in self.days and self.begin <= clock < self.end
