"""Writes the notice of a case with the law, the calendar, the template and the key it was given."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dispatcher.cases import Case
from dispatcher.law import Law, Offence
from dispatcher.notice import Notice, NoticeTooLong, compose, deadline_day, end_of_day
from dispatcher.template import Template
from wire.messages import ViolationReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """All that a notice is made of, but for the case."""

    template: Template
    law: Law
    holidays: Collection[date]
    zone: ZoneInfo
    mac_key: bytes
    working_days: int

    def offence(self, report: ViolationReport) -> Offence | None:
        """The law in force on the day of the violation."""
        return self.law.offence(report.kind, report.occurred_at.astimezone(self.zone).date())

    def last_day(self, now: datetime, post_days: int = 0) -> date:
        """The last day of the owner's time for a notice that goes out now, and for so many working days by post."""
        return deadline_day(now.astimezone(self.zone).date(), self.working_days + post_days, self.holidays)

    def deadline(self, last_day: date) -> datetime:
        """The moment the owner's time is over."""
        return end_of_day(last_day, self.zone)

    def day_before(self, deadline: datetime) -> date:
        """The last day that a deadline of `deadline()` ends."""
        return (deadline.astimezone(self.zone) - timedelta(days=1)).date()

    def written(self, case: Case, report: ViolationReport, now: datetime) -> Notice | None:
        """The notice as the owner has it, or would have it now; None when none can be written."""
        if self.offence(report) is None:
            return None
        last_day = self.day_before(case.deadline) if case.deadline else self.last_day(now)
        try:
            return self.write(case, report, last_day)
        except NoticeTooLong:
            return None

    def write(self, case: Case, report: ViolationReport, last_day: date) -> Notice:
        """The notice of a case that has a law. Raises NoticeTooLong."""
        offence = self.offence(report)
        assert offence is not None
        return compose(
            self.template,
            offence,
            plate=case.plate,
            reference=case.reference,
            location=report.location,
            occurred_at=report.occurred_at,
            deadline=last_day,
            zone=self.zone,
            key=self.mac_key,
        )
