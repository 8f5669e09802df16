"""One clip: replayed, held against its truth and its reference, and played over the borders of the law."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.recording import Recording
from agent.types import ViolationKind
from simulation.gate.borders import TIMED, Crossing, cross_all, load_cast, sightings
from simulation.gate.changes import Change, compare
from simulation.gate.clips import REFERENCE, Case, replay
from simulation.gate.lines import Decision, decisions, tracks, truth
from simulation.gate.play import play
from simulation.gate.score import Score, score
from simulation.gate.speeds import Reading, readings


@dataclass(frozen=True, slots=True, eq=False)
class CaseResult:
    """What came of a clip."""

    case: Case
    out: Path
    """Its replay's folder."""
    decided: Sequence[Decision]
    reference: Sequence[Decision] | None
    """None: there is none yet."""
    changes: Sequence[Change]
    score: Score
    speeds: Sequence[Reading]
    crossings: Sequence[Crossing]


def run(case: Case, out: Path, threads: int, over_borders: bool) -> CaseResult:
    """Replay a clip and judge the judgement. Raises CakraError."""
    folder = out / case.name
    recording = Recording.load(replay(case, folder, threads))
    decided, vehicles = decisions(folder / "decisions.jsonl"), truth(case.folder / "truth.jsonl")
    scene = recording.header.site
    followed = play(recording, case.law, case.calendars) if ViolationKind.SPEED in scene.rules else ()
    stored = case.folder / REFERENCE
    reference = decisions(stored) if stored.exists() else None
    return CaseResult(
        case=case,
        out=folder,
        decided=decided,
        reference=reference,
        changes=compare(reference, decided) if reference is not None else (),
        score=score([kind.value for kind in scene.rules], decided, tracks(folder / "tracks.jsonl"), vehicles),
        speeds=tuple(readings(followed, scene, vehicles)),
        crossings=tuple(_crossings(case, recording)) if over_borders else (),
    )


def accept(result: CaseResult) -> None:
    """Make what was decided now the reference."""
    lines = (json.dumps(each.line, ensure_ascii=False, sort_keys=True) for each in result.decided)
    (result.case.folder / REFERENCE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _crossings(case: Case, recording: Recording) -> list[Crossing]:
    """Only of simulated clips, whose truth can be told for another hour, and of rules that go by the clock."""
    header = json.loads((case.folder / "clip.json").read_text(encoding="utf-8"))
    if not (case.folder / "scenario.yaml").exists() or not set(TIMED).intersection(recording.header.site.rules):
        return []
    scenario, cast = load_cast(case.folder, header["seed"])
    lines = (json.loads(line) for line in (case.folder / "truth.jsonl").read_text(encoding="utf-8").splitlines())
    seen = {line["id"]: sightings(line) for line in lines}
    return cross_all(recording, scenario, cast, seen, case.law, case.calendars)
