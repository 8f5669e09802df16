"""One bundle looked over: is each of its files, and each field of its manifest, what the unit wrote?

A file is named by its content, the manifest names the files, its digests hold its fields, and its signature holds the
digests. So each fault has a place: a piece, a field, a digest or the signature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wire.canonical import canonical_json, sha256_hex
from wire.manifest import Manifest, SignedManifest, digests_of
from wire.messages import SUFFIX
from wire.signing import VerifyKey

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Result(StrEnum):
    OK = "ok"
    TOUCHED = "TOUCHED"
    OPEN = "not checked"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    result: Result
    note: str


@dataclass(frozen=True, slots=True)
class Head:
    """A bundle's place in its unit's chain."""

    unit_id: str
    sequence: int
    previous: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle as it was found."""

    folder: Path
    checks: tuple[Check, ...]
    head: Head | None
    """None: its manifest is not as it was signed, so its place is not known."""


def examine(folder: Path, key: VerifyKey | None, manifest: Path | None = None) -> Bundle:
    """Look at all the files of a folder. Raises OSError."""
    digests = {file.name: sha256_hex(file.read_bytes()) for file in sorted(folder.iterdir()) if file.is_file()}
    name = manifest.name if manifest else _manifest_among(folder, digests)
    if name is None:
        return Bundle(folder, (Check("manifest", Result.TOUCHED, "is missing"),), None)
    content = (folder / name).read_bytes()
    signed, checks = _examine_manifest(content, key)
    if name != f"{digests[name]}.json" and Result.TOUCHED not in {check.result for check in checks}:
        doubt = "renamed" if key else "renamed, or its key_id or signature changed (give --key)"
        checks.append(Check("manifest", Result.TOUCHED, f"{name}: is not named by its content: {doubt}"))
    if signed is None:
        return Bundle(folder, (*checks, Check("pieces", Result.OPEN, "the manifest is not as it was signed")), None)
    others = {other: digest for other, digest in digests.items() if other != name}
    checks += _examine_pieces(signed.body, others, folder)
    body = signed.body
    return Bundle(folder, tuple(checks), Head(body.unit_id, body.sequence, body.previous, digests[name]))


def _manifest_among(folder: Path, digests: Mapping[str, str]) -> str | None:
    """The file that looks most like a manifest: one that its content names, else any that is JSON."""
    likely = [name for name in digests if name.endswith(".json") or (folder / name).read_bytes()[:1] == b"{"]
    return min(likely, key=lambda name: name != f"{digests[name]}.json", default=None)


def _examine_manifest(content: bytes, key: VerifyKey | None) -> tuple[SignedManifest | None, list[Check]]:
    """The manifest, if its fields are what was signed, and what was looked at."""
    try:
        raw = json.loads(content)
        is_canonical = canonical_json(raw) == content
    except (ValueError, RecursionError) as error:
        return None, [Check("manifest", Result.TOUCHED, f"is not JSON{_place(content, error)}")]
    faults = _changed_fields(raw, key)
    signed = None
    try:
        signed = SignedManifest.model_validate_json(content)
    except ValidationError as error:
        named = {fault.what for fault in faults}
        places = {".".join(map(str, each["loc"][:2])) or "manifest" for each in error.errors()}
        faults += [Check(place, Result.TOUCHED, "is not what stands there") for place in sorted(places - named)]
    signature = [_signature(signed, key)] if signed else []
    faults += [check for check in signature if check.result is Result.TOUCHED and not faults]
    if not faults and not is_canonical:
        faults.append(
            Check("manifest", Result.TOUCHED, f"byte {_first_difference(content, raw)} was written otherwise")
        )
    if faults or signed is None:
        return None, faults
    body = signed.body
    about = f"{body.unit_id} number {body.sequence}: {body.kind}, {body.occurred_at.isoformat()}"
    fields = Check("fields", Result.OK, f"{len(signed.digests)} as they were signed")
    return signed, [Check("manifest", Result.OK, about), fields, *signature]


def _place(content: bytes, error: Exception) -> str:
    """Where JSON ended to be JSON: what was touched is there or a little before."""
    at = getattr(error, "pos", getattr(error, "start", None))
    if at is None:
        return ""
    names = re.findall(rb'"(\w+)":', content[:at])
    return f": byte {at}{f', in `{names[-1].decode()}`,' if names else ''} is the first that cannot be read"


def _changed_fields(raw: Any, key: VerifyKey | None) -> list[Check]:
    """The fields of the body that are not what their digests say; whose signature holds are right, the digests'."""
    body, digests = (raw.get(name) if isinstance(raw, dict) else None for name in ("body", "digests"))
    if not isinstance(body, dict) or not isinstance(digests, dict):
        return []
    told = digests_of(body)
    names = sorted(name for name in {*told, *digests} if told.get(name) != digests.get(name))
    if key is None:
        return [Check(f"body.{name}", Result.TOUCHED, "was changed, or its digest was") for name in names]
    is_body = key.signed(canonical_json(digests), str(raw.get("signature")))
    return [Check(f"{'body' if is_body else 'digests'}.{name}", Result.TOUCHED, "was changed") for name in names]


def _signature(signed: SignedManifest, key: VerifyKey | None) -> Check:
    if key is None:
        return Check("signature", Result.OPEN, f"give the public key of {signed.body.unit_id} with --key")
    if not key.signed(canonical_json(signed.digests), signed.signature):
        mine = signed.key_id == key.key_id
        why = "is not the unit's" if mine else f"is of the key {signed.key_id}, not of {key.key_id}"
        return Check("signature", Result.TOUCHED, why)
    if signed.key_id != key.key_id:
        return Check("key_id", Result.TOUCHED, f"is not {key.key_id}, whose signature this is")
    return Check("signature", Result.OK, f"of the key {key.key_id}")


def _first_difference(content: bytes, raw: Any) -> int:
    same = (a == b for a, b in zip(content, canonical_json(raw), strict=False))
    return next((number for number, is_same in enumerate(same) if not is_same), len(canonical_json(raw)))


def _examine_pieces(body: Manifest, digests: Mapping[str, str], folder: Path) -> Iterator[Check]:
    """Each piece that the manifest names, and what it does not name."""
    if _UUID.fullmatch(folder.name) and folder.name != str(body.event_id):
        yield Check("manifest", Result.TOUCHED, f"is of the event {body.event_id}, the folder of another")
    names = {piece.sha256 + SUFFIX[piece.media_type] for piece in body.pieces}
    strays = {digest: name for name, digest in digests.items() if name not in names}
    for piece in body.pieces:
        name = piece.sha256 + SUFFIX[piece.media_type]
        if name not in digests:
            stray = strays.pop(piece.sha256, None)
            why = f"{name}: was renamed to {stray}" if stray else f"{name}: is missing"
            yield Check(piece.role, Result.TOUCHED, why)
        elif digests[name] != piece.sha256:
            yield Check(piece.role, Result.TOUCHED, f"{name}: its content was changed")
        else:
            yield Check(piece.role, Result.OK, f"{name}, {piece.size_bytes} bytes")
    for stray in strays.values():
        yield Check("folder", Result.TOUCHED, f"{stray}: is not of this bundle")
    for below in (path for path in folder.iterdir() if path.is_dir()):
        yield Check("folder", Result.TOUCHED, f"{below.name}: is not of this bundle")
