"""Letters: the same content as the notice, each case once, the same file at every print."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from console_world import World
from dispatcher_world import NOW, OWNERS, PICTURES, ROOT, report
from sqlalchemy import select

from dispatcher import cases
from dispatcher.access.audit import Actor
from dispatcher.cases import Case
from dispatcher.cli import main
from dispatcher.errors import ConfigError
from dispatcher.notice import LABELS
from dispatcher.owners_import import import_owners
from dispatcher.post.batch import Post
from dispatcher.post.commands import make_post
from dispatcher.post.letter import _QR, _Code
from dispatcher.post.tables import letter
from dispatcher.post.wording import load_wording
from dispatcher.settings import load_settings
from dispatcher.workflow import Event, State
from wire.messages import EvidenceRole

DOMAIN = "etle-konfirmasi.example.id"
SHIPPED = ROOT / "config" / "letters"
ANA = Actor(name="ana")
HEADER = OWNERS.splitlines()[0] + ",address\n"
ROW = "B 1234 XYZ,Budi <Santoso>,0812-3456-7890,passenger,white_on_black,{status},3171000000000001,{address}\n"
ADDRESS = "Jl. Melati 5 | Jakarta 12190"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    scene = np.full((60, 160, 3), 120, np.uint8)
    for role, image in ((EvidenceRole.PLATE, scene[:20]), (EvidenceRole.VEILED, scene)):
        monkeypatch.setitem(PICTURES, role, cv2.imencode(".jpg", image)[1].tobytes())
    made = World(tmp_path)
    yield made
    made.close()


def registry(world: World, folder: Path, address: str = ADDRESS, status: str = "active") -> None:
    path = folder / "owners.csv"
    path.write_text(HEADER + ROW.format(address=address, status=status))
    zone = load_settings(folder / "dispatcher.yaml").zone
    sealer = post(world, folder).sealer
    import_owners(world.store, sealer, path, NOW, zone, lambda row: None, lambda rows: None)


def post(world: World, folder: Path) -> Post:
    return make_post(load_settings(folder / "dispatcher.yaml"), world.store)


def unreachable(world: World, number: int = 1) -> Case:
    """A case whose owner WhatsApp cannot reach."""
    said = report(number)
    world.arrive(number)
    with world.store.writing() as connection:
        case = cases.by_event(connection, said.unit_id, str(said.event_id))
        assert case is not None
        for event in (Event.ATTEMPTED, Event.UNREACHABLE):
            case = cases.move(connection, case.case_id, event, NOW, deadline=NOW + timedelta(days=1))
        return case


def found(world: World, case: Case) -> Case:
    with world.store.reading() as connection:
        now = cases.find(connection, case.case_id)
        assert now is not None
        return now


def text(pdf: bytes) -> str:
    """What is printed."""
    said = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            page = zlib.decompress(
                base64.a85decode(stream.strip(), adobe=False)
                if b"~>" not in stream
                else base64.a85decode(b"<~" + stream.strip(), adobe=True)
            )
        except (ValueError, zlib.error):
            continue
        said += [part.decode("latin-1") for part in re.findall(rb"\((.*?)(?<!\\)\) Tj", page)]
    return " ".join(re.sub(r"\\([()\\])", r"\1", " ".join(said)).split())


def test_the_letter_says_what_the_notice_says(world: World, tmp_path: Path) -> None:
    """An owner without WhatsApp must not be told less, nor be asked for anything a swindler asks for."""
    registry(world, tmp_path)
    case, sender = unreachable(world), post(world, tmp_path)
    assert sender.write_down(ANA, NOW) == (1, ())
    ((reference, content),) = sender.batch(NOW.date())
    said = text(content)
    notice = sender.writer.written(found(world, case), report(), NOW)
    assert notice is not None
    addressee = ("Budi", "Santoso", "Jl. Melati 5", "Jakarta 12190")
    for wanted in (*LABELS, *notice.parameters, *addressee, DOMAIN, "OTP", "Senin"):
        assert wanted in said, wanted
    assert reference == case.reference
    assert content.count(b"/DCTDecode") == 2
    for never in ("3171", "0812", "Rp0"):
        assert never not in said


def test_a_case_is_printed_once_and_again_as_the_same_file(world: World, tmp_path: Path) -> None:
    """Two different letters about one violation would be the end of all trust; a jammed printer must not cause one."""
    registry(world, tmp_path)
    case, sender = unreachable(world), post(world, tmp_path)
    assert sender.write_down(ANA, NOW) == (1, ())
    first = dict(sender.batch(NOW.date()))
    registry(world, tmp_path, "Jl. Mawar 9 | Bandung 40111")
    later = NOW + timedelta(days=1)
    assert sender.write_down(ANA, later) == (0, ())
    assert dict(sender.batch(NOW.date())) == first
    assert dict(sender.batch(later.date())) == {}
    second = unreachable(world, 2)
    assert sender.write_down(ANA, later) == (1, ())
    assert list(dict(sender.batch(later.date()))) == [second.reference]
    with world.store.reading() as connection:
        moves = [(entry.event, entry.who) for entry in cases.history(connection, case.case_id)]
        sealed = connection.execute(select(letter.c.sealed)).scalars().all()
    assert moves.count(("letter_printed", "ana")) == 1
    assert not any(b"Melati" in each or b"Budi" in each for each in sealed)


def test_the_owners_time_begins_with_the_letter(world: World, tmp_path: Path) -> None:
    """Nobody's time runs out before they were told, however long the letter lies about."""
    registry(world, tmp_path)
    case, sender = unreachable(world), post(world, tmp_path)
    world.now = NOW + timedelta(days=90)
    world.work()
    assert found(world, case).state is State.FALLBACK_POST
    registry(world, tmp_path)
    sender.write_down(ANA, NOW)
    printed = found(world, case)
    assert printed.state is State.POSTED
    assert printed.deadline is not None
    assert sender.writer.day_before(printed.deadline) == sender.writer.last_day(NOW, sender.post_days)
    assert printed.deadline - NOW > timedelta(days=13)
    world.work()
    assert found(world, case).state is State.EXPIRED


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        ({"address": ""}, ("no_address",)),
        ({"status": "sold"}, ("sold_or_in_transfer",)),
    ],
)
def test_what_cannot_be_posted_is_named(
    world: World, tmp_path: Path, row: dict[str, str], reasons: tuple[str, ...]
) -> None:
    """A letter to the old owner, or to nowhere, is worse than none; a person has to see that it waits."""
    case, sender = unreachable(world), post(world, tmp_path)
    registry(world, tmp_path, **row)
    written, (left,) = sender.write_down(ANA, NOW)
    assert (written, left.reference, left.reasons) == (0, case.reference, reasons)
    assert found(world, case).state is State.FALLBACK_POST


def test_a_picture_that_is_none_does_not_stop_the_batch(world: World, tmp_path: Path) -> None:
    """One broken file must not keep a hundred owners waiting."""
    registry(world, tmp_path)
    case, sender = unreachable(world), post(world, tmp_path)
    sender.write_down(ANA, NOW)
    with world.store.reading() as connection:
        places = cases.evidence_paths(connection, case)
    (tmp_path / "evidence" / places["plate"]).write_bytes(b"no picture")
    ((_, content),) = sender.batch(NOW.date())
    assert content.count(b"/DCTDecode") == 1


def test_the_code_can_be_scanned() -> None:
    """A code that no phone reads sends owners to type an address, or nowhere."""
    address = f"https://{DOMAIN}/k/ABCD-EFGH-JKLM-NPQR"
    code, picture = _Code(address), np.full((700, 700), 255, np.uint8)

    class Canvas:
        def rect(self, x: float, y: float, width: float, height: float, **_: int) -> None:
            left, bottom = round(50 + x * 600 / _QR), round(650 - y * 600 / _QR)
            right, top = round(50 + (x + width) * 600 / _QR), round(650 - (y + height) * 600 / _QR)
            picture[top:bottom, left:right] = 0

    code.canv = Canvas()
    code.draw()
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == address


def test_the_command_prints_a_day_again(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever runs the printer needs one command, and files that nobody else on the machine can read."""
    registry(world, tmp_path)
    case, sender = unreachable(world), post(world, tmp_path)
    sender.write_down(ANA, NOW)
    command = ["letters", "--config", str(tmp_path / "dispatcher.yaml"), "--out", str(tmp_path / "out")]
    for _ in range(2):
        assert main([*command, "--day", "2026-11-23"]) == 0
    (file,) = (tmp_path / "out" / "2026-11-23").iterdir()
    assert file.name == f"{case.reference}.pdf"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes() == dict(sender.batch(NOW.date()))[case.reference]
    assert "1 letters of 2026-11-23" in capsys.readouterr().out
    assert main([*command, "--day", "2999-01-01"]) == 2


@pytest.mark.parametrize(
    ("field", "change", "fault"),
    [
        ("closing", lambda text: text.replace("OTP", "sandi"), "never does"),
        ("opening", lambda text: text + "\n\nBayar di bank.", "asks for money"),
        ("closing", lambda text: text + " Lihat bit.ly", "bit.ly"),
    ],
)
def test_a_letter_keeps_the_trust_rules(tmp_path: Path, field: str, change: Callable[[str], str], fault: str) -> None:
    """On paper, too, a notice must not look like the scam that owners are warned of."""
    content = yaml.safe_load((SHIPPED / "surat_konfirmasi_v1.yaml").read_text())
    assert load_wording(SHIPPED, content["name"], DOMAIN).name == content["name"]
    (tmp_path / "surat_konfirmasi_v1.yaml").write_text(yaml.safe_dump({**content, field: change(content[field])}))
    with pytest.raises(ConfigError, match=re.escape(fault)):
        load_wording(tmp_path, content["name"], DOMAIN)
