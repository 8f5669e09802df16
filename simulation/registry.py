"""`cakra-simulate registry`: an owner registry on loopback, as docs/reference/registry.md has it, with its bad days.

Its owners are a CSV file in the form of the dispatcher's snapshot. Two rows with one plate are two owners; `status` and
`valid_from` make an owner who has sold or moved.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict

from agent.errors import CakraError, ConfigError, UsageError
from agent.plate import normalise
from simulation.certificates import Authority, Pair
from simulation.whatsapp.server import hang_up, listen, server_of, write_raw

PATH = "/lookup"


class Manner(StrEnum):
    """How a question is answered."""

    WELL = "well"
    NEVER = "never"
    DRIPS = "drips"
    AWAY = "away"
    FAILS = "fails"
    HANGS_UP = "hangs_up"
    HALF = "half"
    NO_JSON = "no_json"
    WRONG_FIELD = "wrong_field"
    ANOTHER_PLATE = "another_plate"
    TOO_LARGE = "too_large"
    NO_SUCH_PATH = "no_such_path"
    ELSEWHERE = "elsewhere"


class Question(BaseModel):
    """What a dispatcher asks; nothing more, nothing less."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    plate: str
    purpose: str
    case_id: int


@dataclass(slots=True)
class Registry:
    """Owners by plate, and how it answers for which plate: in turn, the last manner for good."""

    owners: Mapping[str, list[dict[str, Any]]]
    manners: dict[str, list[Manner]] = field(default_factory=dict)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    calls: int = 0
    inquiries: dict[str, Question] = field(default_factory=dict)
    """By idempotency key: who was asked for, for what."""

    def manner(self, plate: str) -> Manner:
        manners = self.manners.get(plate, [Manner.WELL])
        return manners.pop(0) if len(manners) > 1 else manners[0]

    def answer(self, plate: str) -> dict[str, Any]:
        found = self.owners.get(plate, [])
        said: dict[str, Any] = {"as_of": self.clock().isoformat(), "matches": len(found)}
        return {**said, "registration": found[0]} if len(found) == 1 else said


def owners_of(rows: Iterable[Mapping[str, str]]) -> Mapping[str, list[dict[str, Any]]]:
    """Registrations by plate, from the rows of a snapshot."""
    owners: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        plate = normalise(row["plate"])
        told = {name: value for name, value in row.items() if value}
        electric = row.get("electric") == "yes"
        owners.setdefault(plate, []).append({**told, "plate": plate, "electric": electric})
    return owners


def create_app(registry: Registry) -> FastAPI:
    """The registry's one address, `PATH`."""
    app = FastAPI(title="owner registry", docs_url=None, redoc_url=None, openapi_url=None)

    @app.post(PATH)
    async def lookup(
        request: Request, question: Question, key: Annotated[str, Header(alias="Idempotency-Key")]
    ) -> Response:
        registry.calls += 1
        registry.inquiries[key] = question
        answer = registry.answer(question.plate)
        match registry.manner(question.plate):
            case Manner.WELL:
                return JSONResponse(answer, status_code=200 if answer["matches"] else 404)
            case Manner.NEVER:
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                return Response()
            case Manner.DRIPS:
                return StreamingResponse(_dripping())
            case Manner.HANGS_UP:
                return await hang_up(request)
            case Manner.HALF:
                said = json.dumps(answer).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\n\r\n".encode()
                write_raw(request, head + said[: len(said) // 2])
                return await hang_up(request)
            case manner:
                return _badly(manner, answer)

    return app


async def _dripping() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.02)


def _badly(manner: Manner, answer: dict[str, Any]) -> Response:
    """A whole answer that is none."""
    match manner:
        case Manner.AWAY:
            return Response("upstream is away", status_code=503)
        case Manner.FAILS:
            return Response("Traceback (most recent call last): ...", status_code=500)
        case Manner.NO_JSON:
            return Response("<html>Selamat datang</html>", media_type="text/html")
        case Manner.WRONG_FIELD:
            return JSONResponse({**answer, "matches": str(answer["matches"])})
        case Manner.ANOTHER_PLATE:
            return JSONResponse({**answer, "registration": {**answer["registration"], "plate": "B1XX"}})
        case Manner.TOO_LARGE:
            return JSONResponse({**answer, "photo": "x" * 1_000_000})
        case Manner.ELSEWHERE:
            return Response(status_code=307, headers={"Location": "/elsewhere"})
    return Response("not found", status_code=404)


def server_tls(authority: Path, pair: Pair) -> dict[str, Any]:
    """What the server is to be told, so that it shows a certificate and wants one."""
    return {
        "ssl_certfile": pair.cert,
        "ssl_keyfile": pair.key,
        "ssl_ca_certs": str(authority),
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }


def _tls(folder: Path) -> dict[str, Any]:
    """With the certificates in a folder, made if there is none. Raises UsageError."""
    shown = Pair(folder / "registry.crt", folder / "registry.key")
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            authority = Authority(folder)
            for name in ("dispatcher", "registry"):
                authority.issue(name)
    except OSError as error:
        raise UsageError(f"--certificates {folder}: {error.strerror}; name a new folder") from None
    if not (shown.cert.is_file() and shown.key.is_file()):
        raise UsageError(f"--certificates {folder}: has no {shown.cert.name} and {shown.key.name}; name a new folder")
    return server_tls(folder / "ca.crt", shown)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `cakra-simulate registry`."""
    add = parser.add_argument
    add("owners", type=Path, metavar="FILE", help="CSV, as `cakra-dispatcher owners import` takes it")
    add("--certificates", type=Path, required=True, metavar="DIR", help="both sides'; made if this is a new folder")
    add("--port", type=int, default=8443, help="loopback port; 0 takes a free one and prints it")
    awkward = f"how it answers for this plate: {', '.join(Manner)}; may be given several times"
    add("--awkward", type=_awkward, action="append", default=[], metavar="PLATE=MANNER", help=awkward)


def _awkward(text: str) -> tuple[str, Manner]:
    plate, _, manner = text.partition("=")
    if manner not in set(Manner):
        raise argparse.ArgumentTypeError(f"{text}: not PLATE=MANNER; the manners are {', '.join(Manner)}")
    return normalise(plate), Manner(manner)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; returns the exit code. Raises CakraError."""
    try:
        with args.owners.open(encoding="utf-8-sig", newline="") as file:
            owners = owners_of(csv.DictReader(file))
    except OSError as error:
        raise ConfigError(f"{args.owners}: {error.strerror}; check the path") from None
    except (UnicodeDecodeError, KeyError):
        raise ConfigError(f"{args.owners}: no CSV with a column plate; give what `owners import` takes") from None
    tls = _tls(args.certificates)
    registry = Registry(owners, {plate: [manner] for plate, manner in args.awkward})
    try:
        door = listen(args.port)
    except (OSError, OverflowError) as error:
        raise CakraError(f"--port {args.port}: cannot listen ({error}); give another, or 0 for a free one") from None
    with door:
        print(f"owner registry: https://127.0.0.1:{door.getsockname()[1]}{PATH}", flush=True)
        try:
            server_of(create_app(registry), **tls).run(sockets=[door])
        except KeyboardInterrupt:
            return 0
    return 0
