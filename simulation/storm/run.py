"""`scripts/fault-run`: violations come in and notices go out while everything is killed, again and again.

Two dispatchers share the units' messages and one PostgreSQL; WhatsApp throttles, hangs up after it accepted, and calls
twice, late and in any order. Dispatchers, broker and database are killed at random moments and started again. At the
end each owner must have one message, or a case that says `unknown` and no message.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from agent.errors import CakraError
from dispatcher.errors import StoreError
from dispatcher.workflow import State
from simulation.postgres import Postgres
from simulation.stack import Service, wait_until
from simulation.storm import town
from simulation.storm.judge import faults
from simulation.storm.reporter import Reporter
from simulation.storm.world import World

VICTIMS = ("dispatcher-1", "dispatcher-2", "broker", "database")
_UNITS = 4
_STALLED_S = 600.0
"""Nothing takes so long; whoever waits longer waits for ever."""
_POLL_S = 0.5
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Strike:
    """When to kill what, and for how long it stays away."""

    progress: float
    """How much of the work is done: 0 to 1."""
    victims: tuple[str, ...]
    delay_s: float
    away_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the storm ended."""

    faults: tuple[str, ...]
    states: Counter[str]
    messages: int
    strikes: Counter[str]
    seconds: float

    def table(self) -> str:
        killed = ", ".join(f"{name} {number}" for name, number in sorted(self.strikes.items()))
        states = ", ".join(f"{state} {number}" for state, number in self.states.most_common())
        lines = (f"cases     {states}", f"messages  {self.messages}", f"killed    {killed}")
        verdict = self.faults or ("each owner has one message, or a case that is unknown and none",)
        return "\n".join([*lines, f"seconds   {self.seconds:.0f}", *verdict])


def planned(number: int, seed: int) -> tuple[Strike, ...]:
    """The strikes of a storm: each victim in turn, every fourth time two at once, in an order that the seed says."""
    rng = random.Random(f"{seed}/strikes")
    moments = sorted(rng.uniform(0.0, 0.95) for _ in range(number))
    return tuple(
        Strike(moment, victims, rng.uniform(0.0, 0.5), rng.uniform(0.0, 1.0))
        for moment, victims in zip(moments, _victims(rng), strict=False)
    )


def _victims(rng: random.Random) -> Iterator[tuple[str, ...]]:
    while True:
        round_ = rng.sample(VICTIMS, len(VICTIMS))
        yield from ((victim,) for victim in round_[:-1])
        yield (round_[-1], rng.choice(round_[:-1]))


class Storm:
    """One run."""

    def __init__(self, world: World, incidents: Sequence[town.Incident], strikes: Sequence[Strike]) -> None:
        self.world = world
        self._violations = len(incidents)
        self._strikes = strikes
        self._incidents = incidents
        self._reporters = [self._reporter(unit_id) for unit_id in sorted({each.unit_id for each in incidents})]
        self._owed = sum(reporter.owed for reporter in self._reporters)

    def _reporter(self, unit_id: str) -> Reporter:
        own = [incident for incident in self._incidents if incident.unit_id == unit_id]
        return Reporter(unit_id, self.world.ports["broker"], own)

    def run(self, say: Callable[[str], None]) -> Outcome:
        """Let it blow, and look at what is left. Raises CakraError when a service does not come back."""
        began_s = time.monotonic()
        self.world.start()
        try:
            for reporter in self._reporters:
                reporter.start()
            settled = self._blow(say)
        finally:
            for reporter in self._reporters:
                reporter.stop()
        return self._judged(settled, time.monotonic() - began_s)

    def _blow(self, say: Callable[[str], None]) -> bool:
        """Strike as planned and wait for the end; whether it came to rest. Raises CakraError."""
        for strike in self._strikes:
            wait_until(partial(self._has_reached, strike.progress), "any progress", _STALLED_S)
            say(f"{strike.progress:4.0%}  killing {' and '.join(strike.victims)}")
            self._strike(strike)
        return self._settle()

    def _judged(self, settled: bool, seconds: float) -> Outcome:
        expected = {str(incident.event_id): incident.phone for incident in self._incidents}
        told = self.world.told()
        found = faults(expected, self.world.ended(), told)
        refused = [f"a unit was refused: {reason}" for reporter in self._reporters for reason in reporter.refused]
        return Outcome(
            faults=(*(() if settled else ("it did not come to rest",)), *refused, *found),
            states=Counter({state.value: number for state, number in self.world.states().items()}),
            messages=told.total(),
            strikes=Counter(victim for strike in self._strikes for victim in strike.victims),
            seconds=seconds,
        )

    def _has_reached(self, progress: float) -> bool:
        """Whether so much of what is to be said and sent was said and sent. Raises OSError."""
        self.world.check()
        said = 1 - sum(reporter.owed for reporter in self._reporters) / self._owed
        return (said + self.world.messages() / self._violations) / 2 >= progress

    def _strike(self, strike: Strike) -> None:
        world = self.world
        services: dict[str, Service | Postgres] = {one.name: one for one in (world.broker, *world.dispatchers)}
        services["database"] = world.postgres
        time.sleep(strike.delay_s)
        for name in strike.victims:
            services[name].kill()
        time.sleep(strike.away_s)
        for name in sorted(strike.victims):  # the broker and the database before the dispatchers, which need them
            services[name].start()

    def _settle(self) -> bool:
        """Wait until nothing moves any more; whether it came to that. Raises CakraError."""
        deadline = time.monotonic() + _STALLED_S
        while not (rests := self._is_at_rest()) and time.monotonic() < deadline:
            pass
        return rests

    def _is_at_rest(self) -> bool:
        time.sleep(_POLL_S)
        self.world.check()
        try:
            states = self.world.states()
            done = states[State.DELIVERED] + states[State.UNKNOWN] == states.total() == self._violations
            return done and self.world.is_quiet() and states[State.UNKNOWN] == self._violations - self.world.messages()
        except (OSError, StoreError):
            return False


def storm(folder: Path, violations: int, strikes: int, seed: int, say: Callable[[str], None] = print) -> Outcome:
    """One storm from its beginning to its end; no process of it outlives it. Raises CakraError."""
    people, units = range(violations), town.units(_UNITS)
    incidents = tuple(town.incidents(people, units, datetime.now(UTC), seed=seed))
    with World(folder, units, town.registry(people), town.outcomes(people, seed)) as world:
        return Storm(world, incidents, planned(strikes, seed)).run(say)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when nothing came to harm, 1 when something did, 130 when it was stopped."""
    parser = argparse.ArgumentParser("fault-run", description=__doc__)
    parser.add_argument("--violations", type=int, default=5000)
    parser.add_argument("--strikes", type=int, help="default: one in 125 violations, at least six")
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave configuration and logs there")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # that the database was killed is no news here
    strikes = arguments.strikes if arguments.strikes is not None else max(6, arguments.violations // 125)
    with tempfile.TemporaryDirectory(prefix="cakra-storm-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            outcome = storm(folder, arguments.violations, strikes, arguments.seed)
        except CakraError as error:
            print(f"fault-run: {error}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            return _INTERRUPTED
    print(outcome.table())
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
