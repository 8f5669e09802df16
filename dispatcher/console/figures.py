"""The page of the numbers that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from dispatcher.console import words
from dispatcher.console.plots import Chart, chart
from dispatcher.console.render import Renderer
from dispatcher.numbers import MOST_DAYS, Counts, KeptNumbers, Numbers
from dispatcher.units import Unit

_DAYS = 14
Text = Annotated[str, Query(max_length=64)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts over a range of days, as plots and as tables; no person can be told from them."""

    kept: KeptNumbers
    units: Mapping[str, Unit]
    renderer: Renderer
    zone: ZoneInfo

    def router(self) -> APIRouter:
        router = APIRouter()

        @router.get("/numbers")
        def show(
            request: Request,
            first: Annotated[Text, Query(alias="from")] = "",
            last: Annotated[Text, Query(alias="to")] = "",
            unit: Text = "",
            kind: Text = "",
        ) -> Response:
            today = self.renderer.clock().astimezone(self.zone).date()
            days = _range(first, last, today)
            since, until = days or _range("", "", today) or (today, today)
            found = self.kept.numbers(since, until, self.zone, unit_id=unit, kind=kind)
            status, fault = (200, None) if days else (400, "range_wrong")
            chosen = {"first": since, "last": until, "unit": unit, "kind": kind, "units": self.units.values()}
            drawn = {"plots": _plots(found.by_day), "tables": self._tables(found)}
            return self.renderer.page(request, "numbers.html", status=status, fault=fault, **chosen, **drawn)

        return router

    def _tables(self, found: Numbers) -> Mapping[str, Sequence[tuple[str, Counts]]]:
        """Names and counts, by what the violations are counted by."""
        units = {unit_id: unit.name for unit_id, unit in self.units.items()}
        by_day = [(f"{day:%a %d %b %Y}", counts) for day, counts in found.by_day.items()]
        return {
            "day": [*by_day, (words.ALL_DAYS, found.total)],
            "unit": [(units.get(unit_id, unit_id), counts) for unit_id, counts in found.by_unit.items()],
            "rule": [(words.KINDS.get(kind, kind), counts) for kind, counts in found.by_kind.items()],
        }


def _range(first: str, last: str, today: date) -> tuple[date, date] | None:
    """The days that were asked for; None when they are none, or too many."""
    try:
        until = date.fromisoformat(last) if last else today
        since = date.fromisoformat(first) if first else until - timedelta(days=_DAYS - 1)
    except (ValueError, OverflowError):
        return None
    return (since, until) if 0 <= (until - since).days < MOST_DAYS and since.year >= 2000 else None


def _plots(by_day: Mapping[date, Counts]) -> Mapping[str, Chart]:
    """The charts by day; what each is called stands in `words.PLOTS`."""
    days = [(f"{day:%d %b}", counts) for day, counts in by_day.items()]

    def minutes(seconds: int | None) -> float | None:
        return None if seconds is None else seconds / 60

    return {
        "cases": chart([(day, (it.captured, it.told, it.confirmed)) for day, it in days], "{:.0f}".format),
        "minutes": chart([(day, (minutes(it.median_s), minutes(it.slow_s))) for day, it in days], "{:g}".format),
        "wrong": chart([(day, (it.wrong_share,)) for day, it in days], "{:.2%}".format),
    }
