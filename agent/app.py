"""Puts the agent together: the one place that knows the concrete classes of all stages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from agent import bench as benchmark
from agent import health
from agent.bundle import Bundler
from agent.capture import FrameSource, open_source
from agent.config import HOME, ModelSettings, UnitConfig, load_key
from agent.cuts import CutDetector
from agent.detect import PlateDetector
from agent.errors import UsageError
from agent.evidence import EvidenceStore
from agent.lights import LightsBroker, open_lights
from agent.ocr import PlateReader
from agent.outbox import Outbox
from agent.pipeline import Finding, Pipeline, is_reported
from agent.plate import ANY_LATIN, INDONESIAN, Grammar
from agent.recording import SUFFIX as RECORDING
from agent.recording import Player, Recorder, Recording
from agent.replay import KEY as REPLAY_KEY
from agent.replay import UNIT as REPLAY_UNIT
from agent.replay import ReplayFolder, finding_text, progressing, summary, summary_text
from agent.report import Reporter
from agent.retention import Limits, disk_share, sweep
from agent.rules import build_rules, load_calendar, load_law
from agent.scene import Scene
from agent.settings import load_yaml
from agent.tflite import Network
from agent.track import Tracker
from agent.types import Box, Cuts, Detector, Frame, Lights, Reader, ViolationKind
from agent.uplink import Uplink, check_files
from agent.validate import Thresholds
from wire.canonical import canonical_json, sha256_hex
from wire.messages import Provenance

log = logging.getLogger("cakra.agent")

SWEEP_EVERY_S = 600.0

GRAMMARS: dict[str, Grammar] = {"id": INDONESIAN, "none": ANY_LATIN}
LAW = HOME / "config" / "law"
CALENDARS = HOME / "config" / "calendars"
VALIDATION = HOME / "config" / "validation.yaml"


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks, loaded and checked, and their hashes."""

    detector: PlateDetector
    reader: PlateReader
    digests: dict[str, str]


def model_settings(folder: Path | None, threads: int) -> ModelSettings:
    """The networks of a folder, or the shipped ones."""
    return ModelSettings(threads=threads) if folder is None else ModelSettings.of_folder(folder, threads)


def load_networks(
    settings: ModelSettings, grammar: str = "id", *, dated: bool = True, stills: bool = True, road: Box | None = None
) -> Networks:
    """`dated`: whether expiry lines are read, too. `stills`: for single pictures, not footage. `road`: where it is in
    all pictures. Raises ModelError."""
    detector, reader = (Network.load(path, settings.threads) for path in (settings.detector, settings.reader))
    digests = {network.manifest["name"]: network.manifest["sha256"] for network in (detector, reader)}
    return Networks(
        PlateDetector(detector, stills=stills, road=road),
        PlateReader(reader, GRAMMARS[grammar], dated=dated, stills=stills),
        digests,
    )


def _networks_for(scene: Scene, settings: ModelSettings) -> Networks:
    """Expiry lines cost as much as the number: they are read where a rule asks for them. Raises ModelError."""
    return load_networks(settings, dated=ViolationKind.EXPIRY in scene.rules, stills=False, road=scene.road)


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """What a replay or a benchmark needs to know."""

    video: Path
    """A clip, a folder of pictures, or a recording of what the networks saw in one."""
    site: Path | None
    """None: the one in the recording."""
    start: datetime | None
    """Moment of the first frame; None: the recording's, or when the file was last written."""
    out: Path | None
    record: Path | None
    """Where to write a recording."""
    models: ModelSettings
    law: Path
    calendars: Path
    validation: Path

    @property
    def first_moment(self) -> datetime:
        """Of a clip."""
        if self.start is not None:
            return self.start
        written_s = self.video.stat().st_mtime if self.video.exists() else 0.0
        return datetime.fromtimestamp(written_s, UTC)

    def source(self) -> FrameSource:
        return open_source(self.video, self.first_moment)

    def scene(self) -> Scene:
        if self.site is None:
            raise UsageError(f"--site: is missing; {self.video} is no recording and needs one")
        return Scene.load(self.site)


class Stages(NamedTuple):
    """What the pipeline asks about a frame."""

    detector: Detector
    reader: Reader
    lights: Lights
    cuts: Cuts


def _stages(scene: Scene, networks: Networks, lights_broker: LightsBroker | None = None) -> Stages:
    lights = open_lights(scene.signals, lights_broker)
    return Stages(networks.detector, networks.reader, lights, CutDetector(scene.ignored))


def make_pipeline(scene: Scene, stages: Stages, law: Path, calendars: Path, validation: Path = VALIDATION) -> Pipeline:
    """The pipeline of a site. Raises ConfigError."""
    return Pipeline(
        stages.detector,
        stages.reader,
        Tracker(ground=scene.calibration),
        scene,
        build_rules(scene, load_law(law), load_calendar(calendars)),
        load_yaml(validation, Thresholds),
        stages.lights,
        # Recorded footage brings its own clock; whoever gave its start vouches for it.
        clock_synchronised=True,
        cuts=stages.cuts,
    )


def _provenance(networks: Networks, config: str) -> Provenance:
    return Provenance(software=version("cakra"), models=networks.digests, config=config, clock_synchronised=True)


def replay(settings: ReplaySettings, *, json_lines: bool) -> None:
    """Run a replay, printing findings as they come and a summary at the end."""
    with ExitStack() as stack:
        show = _recorded if settings.video.suffix == RECORDING else _filmed
        frames, pipeline, folder = show(settings, stack)
        started = time.perf_counter()
        for followed in pipeline.run(progressing(frames)):
            for finding in followed.findings:
                print(finding_text(finding, json_lines=json_lines), flush=True)
            if folder:
                folder.add(followed)
    print(summary_text(summary(pipeline, time.perf_counter() - started), json_lines=json_lines))


Showing = tuple[Iterator[Frame], Pipeline, ReplayFolder | None]


def _filmed(settings: ReplaySettings, stack: ExitStack) -> Showing:
    """Pictures through the networks, recorded if that was asked."""
    frames = settings.source().frames()
    scene = settings.scene()
    networks = _networks_for(scene, settings.models)
    stages = _stages(scene, networks)
    if settings.record:
        file = stack.enter_context(settings.record.open("w", encoding="utf-8"))
        recorder = Recorder(*stages, settings.first_moment, file)
        recorder.head(scene)
        stages = Stages(recorder, recorder, recorder, recorder)
    pipeline = make_pipeline(scene, stages, settings.law, settings.calendars, settings.validation)
    folder = stack.enter_context(_replay_folder(settings.out, scene, networks)) if settings.out else None
    return frames, pipeline, folder


def _recorded(settings: ReplaySettings, stack: ExitStack) -> Showing:
    """What the networks saw, without pictures and so without evidence."""
    recording = Recording.load(settings.video)
    scene = settings.scene() if settings.site else recording.header.site
    player = Player(recording, settings.start)
    pipeline = make_pipeline(
        scene, Stages(player, player, player, player), settings.law, settings.calendars, settings.validation
    )
    folder = stack.enter_context(ReplayFolder(settings.out, None)) if settings.out else None
    return player.frames(), pipeline, folder


def _replay_folder(out: Path, scene: Scene, networks: Networks) -> ReplayFolder:
    provenance = _provenance(networks, sha256_hex(canonical_json(scene)))
    bundler = Bundler(REPLAY_UNIT, scene, provenance, REPLAY_KEY, EvidenceStore(out / "evidence"))
    return ReplayFolder(out, Reporter(bundler))


def bench(settings: ReplaySettings) -> benchmark.Figures:
    """Measure this machine on one core."""
    benchmark.on_one_core()
    scene = settings.scene()
    networks = _networks_for(scene, settings.models)
    stages = _stages(scene, networks)
    pipeline = make_pipeline(scene, stages, settings.law, settings.calendars, settings.validation)
    return benchmark.measure(settings.video, settings.source().frames(), pipeline)


def run_agent(config: UnitConfig, stop: threading.Event) -> None:
    """The agent service: the source through the pipeline, findings into the outbox, until its end or `stop`."""
    source = open_source(config.source.path, config.source.start, config.source.folder_fps)
    key = load_key(config.key)
    scene = Scene.load(config.site)
    networks = _networks_for(scene, config.models)
    stages = _stages(scene, networks, config.lights)
    pipeline = make_pipeline(scene, stages, config.law, config.calendars, config.validation)
    reporter = Reporter(Bundler(config.unit_id, scene, _provenance(networks, config.digest), key, _evidence(config)))
    frames = _until(stop, source.frames())
    started = time.perf_counter()
    with _outbox(config) as outbox:
        health.notify("READY=1")
        for followed in pipeline.run(frames):
            for finding in followed.findings:
                if is_reported(finding.decision):
                    _owe(outbox, reporter, finding)
            outbox.set_counters(pipeline.counters)
    print(summary_text(summary(pipeline, time.perf_counter() - started), json_lines=True), flush=True)


def _until(stop: threading.Event, frames: Iterator[Frame]) -> Iterator[Frame]:
    """The frames until told to stop; each one shows the watchdog that the camera lives."""
    watchdog = health.Watchdog()
    for frame in frames:
        if stop.is_set():
            return
        watchdog()
        yield frame


def _owe(outbox: Outbox, reporter: Reporter, finding: Finding) -> None:
    """Evidence on disk first, then the report with its number in one transaction: never one without the other."""
    event_id = reporter.event_id(finding)
    new = not outbox.knows(event_id)
    if new:
        pieces = reporter.save_pieces(finding)
        new = outbox.add(event_id, reporter.report(finding, pieces, lambda: datetime.now(UTC)))
    said = {"event_id": event_id, "kind": finding.violation.kind, "outcome": finding.decision.outcome}
    log.info("judged", extra={**said, "state": "new" if new else "known"})


def run_uplink(config: UnitConfig, stop: threading.Event) -> None:
    """The uplink service: the outbox to the broker, and old evidence off the disk, until `stop`."""
    evidence = _evidence(config)
    with _outbox(config) as outbox:
        upkeep = _Upkeep(config, outbox, evidence)
        uplink = Uplink(config.mqtt, config.unit_id, outbox, evidence, on_alive=upkeep)
        health.notify("READY=1")
        uplink.run(stop)


class _Upkeep:
    """What the uplink does beside sending: the watchdog, and now and then a sweep of the disk."""

    def __init__(self, config: UnitConfig, outbox: Outbox, evidence: EvidenceStore) -> None:
        self._config = config
        self._outbox = outbox
        self._evidence = evidence
        self._watchdog = health.Watchdog()
        self._next_sweep = 0.0

    def __call__(self) -> None:
        self._watchdog()
        if time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + SWEEP_EVERY_S
        limits = Limits(keep=timedelta(days=self._config.keep_days))
        swept = sweep(self._outbox, self._evidence, datetime.now(UTC), limits, lambda: disk_share(self._config.data))
        if swept.files:
            log.info("acknowledged evidence swept, by files", extra={"number": swept.files})


def outbox_state(config: UnitConfig, *, retry_dead: bool) -> dict[str, Any]:
    """What the unit owes, and what was refused for good and why."""
    with _outbox(config) as outbox:
        retried = outbox.retry_dead() if retry_dead else 0
        return {"backlog": outbox.backlog(), "retried": retried, "dead": outbox.dead()}


def check(config: UnitConfig) -> Iterator[str]:
    """Open all that a configuration names; yields a line for each that holds. Raises ConfigError or ModelError."""
    yield f"unit      {config.unit_id}"
    yield f"key       {load_key(config.key).public.key_id}"
    scene = Scene.load(config.site)
    yield f"site      {scene.id}: {len(scene.lanes)} lanes, rules {', '.join(scene.rules)}"
    build_rules(scene, load_law(config.law), load_calendar(config.calendars))
    yield f"law       {config.law}"
    load_yaml(config.validation, Thresholds)
    yield f"limits    {config.validation}"
    for name, digest in load_networks(config.models).digests.items():
        yield f"model     {name} {digest[:12]}"
    check_files(config.mqtt)
    yield f"broker    {config.mqtt.host}:{config.mqtt.port}"


def _evidence(config: UnitConfig) -> EvidenceStore:
    return EvidenceStore(config.data / "evidence")


def _outbox(config: UnitConfig) -> Outbox:
    return Outbox(config.data / "outbox.sqlite")
