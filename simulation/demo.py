"""`scripts/demo`: the main job, end to end, on one machine.

Simulated footage -> agent -> broker -> dispatcher -> WhatsApp simulator -> delivered -> answered, with progress, a
summary held against the footage's exact truth, and the addresses to look around at.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from agent.errors import CakraError, UsageError
from agent.plate import normalise, parse, vehicle_class
from simulation import broker
from simulation.footage_files import render
from simulation.footage_scenario import load_scenario
from simulation.stack import ROLES, Footage, Stack, post_json, wait_until

ROOT = Path(__file__).resolve().parent.parent
SETTLED = frozenset({"delivered", "read", "confirmed", "disputed", "review", "fallback_post", "dead", "unknown"})
"""States in which a case waits for people, not for machines."""
AGENT_S = 600.0
DELIVERY_S = 120.0
_ANSWERS = ("own", "own", "own", "other", "own", "own", "own", "not_mine")
"""What the owners of the demo answer, in the order of their messages, again and again."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("scripts/demo", description="cakra's main job, end to end, on this machine")
    parser.add_argument("--once", action="store_true", help="end after the summary instead of staying up")
    parser.add_argument("--scenario", default="demo", help="the simulated road (default: demo)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "demo", help="where everything is kept")
    args = parser.parse_args(argv)
    try:
        return run(args.scenario, args.out, once=args.once)
    except CakraError as error:
        print(f"demo: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"demo: {error}; see the logs in {args.out}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def run(scenario: str, out: Path, *, once: bool) -> int:
    """The demo in steps; returns 1 when anything is lost or anyone is wrongly accused."""
    say("1/5", f"road: rendering '{scenario}' (kept for the next time)")
    road = rendered(scenario, ROOT / ".cache" / "footage")
    vehicles = read_truth(road.clip.parent)
    make_room(out)
    broker_name = "mosquitto" if broker.mosquitto() else "embedded broker"
    say("2/5", f"services: {broker_name}, simulated owner registry and WhatsApp, dispatcher, uplink")
    stack = Stack(out, road, owners(vehicles))
    with running(stack):
        say("3/5", "agent: watching the road")
        watch(stack)
        say("4/5", "messages: waiting until each notice is delivered")
        wait_until(lambda: settled(stack), "delivery of the notices", DELIVERY_S)
        say("5/5", "owners: answering on their phones")
        answer(stack)
        result = Result(stack.cases(), agent_summary(stack), vehicles, stack.messages(), stack.outbox()["dead"])
        print(result.table())
        print(
            f"\nconsole         {stack.console_url}/\n"
            f"  log in as     {' or '.join(ROLES)}, password {stack.password}\n"
            f"owners' phones  {stack.whatsapp_url}/phone\n"
            f"files           {out}"
        )
        if not once:
            print("\nCtrl-C ends it.", flush=True)
            wait_for_interrupt()
    return 0 if result.good else 1


def make_room(out: Path) -> None:
    """Remove what an earlier demo left there, and nothing that is not a demo's. Raises UsageError."""
    if out.is_dir() and (out / "dispatcher.yaml").exists() and (out / "unit.yaml").exists():
        shutil.rmtree(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: is there already and is no demo's folder; give another --out")


def say(step: str, text: str) -> None:
    print(f"[{step}] {text}", flush=True)


def rendered(scenario: str, cache: Path) -> Footage:
    """The scenario's footage, from the cache when neither it nor the renderer has changed."""
    sources = sorted((ROOT / "simulation").rglob("*.py")) + sorted((ROOT / "simulation" / "scenarios").glob("*.yaml"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = cache / f"{scenario}-{digest}"
    if not (folder / "truth.jsonl").exists():  # written last
        render(load_scenario(scenario), scenario, seed=1, folder=folder)
    header = json.loads((folder / "clip.json").read_text())
    return Footage(folder / "clip.mp4", folder / "site.yaml", header["start"])


@dataclass(frozen=True, slots=True)
class Vehicle:
    """What truth says of a vehicle on the road."""

    plate: str
    colour: str
    violations: frozenset[str]

    @property
    def vehicle_class(self) -> str:
        number = parse(self.plate)
        return vehicle_class(number).value if number else "unknown"


def read_truth(folder: Path) -> list[Vehicle]:
    """The vehicles of rendered footage."""
    lines = map(json.loads, (folder / "truth.jsonl").read_text().splitlines())
    return [
        Vehicle(line["plate"], line["plate_colour"], frozenset(each["kind"] for each in line["violations"]))
        for line in lines
    ]


def owners(vehicles: Sequence[Vehicle]) -> Iterator[Mapping[str, str]]:
    """A registry of made-up owners for the vehicles of the road."""
    for index, vehicle in enumerate(vehicles):
        yield {
            "plate": vehicle.plate,
            "name": f"Pemilik {index + 1:02d}",
            "phone": f"0812 5550 {index + 1:04d}",
            "vehicle_class": vehicle.vehicle_class,
            "plate_colour": vehicle.colour,
            "status": "active",
        }


@contextlib.contextmanager
def running(stack: Stack) -> Iterator[None]:
    """The services that wait for the agent, up; all of them down again at the end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for service in stack.services[:-1]:
            service.start()
        yield
    finally:
        stack.stop()


def watch(stack: Stack) -> None:
    """Let the agent see the whole clip, showing what reaches the centre meanwhile."""
    stack.agent.start()
    deadline = time.monotonic() + AGENT_S
    while not stack.agent.ended():
        if time.monotonic() > deadline:
            raise CakraError(f"agent: not done within {AGENT_S:.0f} s; see {stack.agent.log}")
        stack.check_alive()
        with contextlib.suppress(OSError):  # a busy dispatcher is asked again
            cases = stack.cases()
            delivered = sum(case["delivered_at"] is not None for case in cases)
            show(f"      {len(cases)} violations at the centre, {delivered} notices delivered")
        time.sleep(0.5)
    show("\n")
    if stack.agent.process and stack.agent.process.returncode:
        raise CakraError(f"agent: {stack.agent.last_words()}")


def show(text: str) -> None:
    """Progress on a terminal; silent in a log."""
    if sys.stdout.isatty():
        print(text if text == "\n" else f"\r{text}", end="", flush=True)


def settled(stack: Stack) -> bool:
    """Nothing owed on the unit, and no case that a machine still works on."""
    stack.check_alive()
    return stack.outbox()["backlog"] == 0 and all(case["state"] in SETTLED for case in stack.cases())


def answer(stack: Stack) -> None:
    """Owners tap their buttons; all but the last, which is left for whoever looks around."""
    messages = stack.messages()
    for index, message in enumerate(messages[:-1]):
        post_json(
            f"{stack.whatsapp_url}/sim/reply",
            {"message": message["id"], "answer": _ANSWERS[index % len(_ANSWERS)]},
        )
    answered = len(messages[:-1])
    wait_until(
        lambda: sum(case["state"] in ("confirmed", "disputed") for case in stack.cases()) >= answered,
        "the owners' answers",
        DELIVERY_S,
    )


def agent_summary(stack: Stack) -> dict[str, Any]:
    """What the agent said of itself when the clip had ended."""
    summary: dict[str, Any] = json.loads(stack.agent.last_words())["summary"]
    return summary


@dataclass(frozen=True, slots=True)
class Result:
    """What the demo shows at its end."""

    cases: list[dict[str, Any]]
    agent: dict[str, Any]
    vehicles: Sequence[Vehicle]
    messages: list[dict[str, Any]]
    dead: list[dict[str, Any]]
    """What the dispatcher refused for good."""

    @property
    def wrong(self) -> int:
        """Messages about something that the vehicle did not do."""
        true = {(vehicle.plate, kind) for vehicle in self.vehicles for kind in vehicle.violations}
        kinds = {case["reference"]: case["kind"] for case in self.cases}
        told = [message["parameters"][:2] for message in self.messages]
        return sum((normalise(plate), kinds[reference]) not in true for plate, reference in told)

    @property
    def good(self) -> bool:
        """Everything found is at the centre, nothing is stuck, somebody was told, and nobody wrongly."""
        found = self.agent["accepted"] + self.agent["review"]
        return len(self.cases) == found and self.stuck == 0 and bool(self.messages) and self.wrong == 0

    @property
    def stuck(self) -> int:
        """What neither a machine nor an owner can bring further."""
        return self.in_state("unknown") + self.in_state("dead") + len(self.dead)

    def latencies_s(self) -> list[float]:
        """From the unit's report to the delivery on the owner's phone."""
        return [case["seconds_to_message"] for case in self.cases if case["seconds_to_message"] is not None]

    def table(self) -> str:
        """The summary."""
        true = sum(len(vehicle.violations) for vehicle in self.vehicles)
        latencies = self.latencies_s()
        rows: list[tuple[str, object]] = [
            ("vehicles on the road", len(self.vehicles)),
            ("vehicles followed", self.agent["vehicles"]),
            ("violations in truth", true),
            ("found: accepted", self.agent["accepted"]),
            ("found: review", self.agent["review"]),
            ("found: rejected", self.agent["rejected"]),
            *((f"confirmed: {kind}", number) for kind, number in sorted(self.confirmed().items())),
            ("disputed by the owner", self.in_state("disputed")),
            ("waiting for a person", self.in_state("review")),
            ("stuck", self.stuck),
            ("wrongly accused", self.wrong),
            (
                "seconds to message",
                f"{median(latencies):.1f} (median), {max(latencies):.1f} (worst)" if latencies else "-",
            ),
            ("agent", f"{self.agent['frames_per_s']} frames/s"),
        ]
        return "\n" + "\n".join(f"  {name:<26} {value}" for name, value in rows)

    def confirmed(self) -> dict[str, int]:
        """Confirmed cases by rule."""
        kinds = [case["kind"] for case in self.cases if case["state"] == "confirmed"]
        return {kind: kinds.count(kind) for kind in kinds}

    def in_state(self, state: str) -> int:
        return sum(case["state"] == state for case in self.cases)


def wait_for_interrupt() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    raise SystemExit(main())
