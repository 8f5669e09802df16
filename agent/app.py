"""Puts the agent together: the one place that knows the concrete classes of all stages."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agent import bench as benchmark
from agent.capture import FrameSource, open_source
from agent.config import HOME, ModelSettings, UnitConfig, load_key
from agent.detect import PlateDetector
from agent.evidence import EvidenceStore
from agent.ocr import PlateReader
from agent.outbox import Outbox
from agent.pipeline import Finding, Pipeline, is_reported
from agent.plate import ANY_LATIN, INDONESIAN, Grammar
from agent.replay import ReplayFolder, decision_line, summary
from agent.report import Reporter
from agent.rules import load_calendar, load_law, build_rules
from agent.scene import Scene
from agent.tflite import Network
from agent.track import Tracker
from agent.uplink import Uplink
from agent.validate import Thresholds
from wire.messages import Provenance

GRAMMARS: dict[str, Grammar] = {"id": INDONESIAN, "none": ANY_LATIN}
LAW = HOME / "config" / "law"
CALENDARS = HOME / "config" / "calendars"


@dataclass(frozen=True, slots=True)
class Networks:
    """Both networks, loaded and checked, and their hashes."""

    detector: PlateDetector
    reader: PlateReader
    digests: dict[str, str]


def model_settings(folder: Path | None, threads: int) -> ModelSettings:
    """The networks of a folder, or the shipped ones."""
    if folder is None:
        return ModelSettings(threads=threads)
    return ModelSettings(
        detector=folder / "plate_detector.tflite", reader=folder / "plate_reader.tflite", threads=threads
    )


def load_networks(settings: ModelSettings, grammar: str = "id") -> Networks:
    """Raises ModelError."""
    detector = Network.load(settings.detector, settings.threads)
    reader = Network.load(settings.reader, settings.threads)
    digests = {network.manifest["name"]: network.manifest["sha256"] for network in (detector, reader)}
    return Networks(PlateDetector(detector), PlateReader(reader, GRAMMARS[grammar]), digests)


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """What a replay or a benchmark needs to know."""

    video: Path
    site: Path
    start: datetime | None
    """Moment of the first frame; None: when the file was last written."""
    out: Path | None
    models: ModelSettings
    law: Path
    calendars: Path

    def source(self) -> FrameSource:
        start = self.start
        if start is None:
            written_s = self.video.stat().st_mtime if self.video.exists() else 0.0
            start = datetime.fromtimestamp(written_s, UTC)
        return open_source(self.video, start)


def _pipeline(scene: Scene, networks: Networks, law: Path, calendars: Path, thresholds: Thresholds) -> Pipeline:
    return Pipeline(
        networks.detector,
        networks.reader,
        Tracker(),
        scene,
        build_rules(scene, load_law(law), load_calendar(calendars)),
        thresholds,
        # Recorded footage brings its own clock; whoever gave its start vouches for it.
        clock_synchronised=True,
    )


def _provenance(networks: Networks, config: str) -> Provenance:
    return Provenance(software=version("cakra"), models=networks.digests, config=config, clock_synchronised=True)
