"""`cakra-agent verify`: whether bundles are as the unit wrote them, and if not, what was touched. Needs no network.

`agent.examine` looks at each; here they are found, and their chain is checked: each manifest names the hash of the one
before it, so that none can be taken out, put in or made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from agent.errors import UsageError
from agent.examine import Bundle, Check, Head, Result, examine
from wire.signing import VerifyKey


def load_key(text: str) -> VerifyKey:
    """A unit's public key: base64, or a file of it. Raises UsageError."""
    try:
        path = Path(text)
        return VerifyKey.from_base64(path.read_text().strip() if path.is_file() else text)
    except (OSError, ValueError) as error:
        raise UsageError(f"--key: {error}; give what `cakra-agent keygen` printed, or a file of it") from None


def load_head(path: Path) -> Head:
    """The place of the bundle whose manifest (or folder) this is. Raises UsageError."""
    (bundle, *more) = find(path, None)
    if more or bundle.head is None:
        raise UsageError(f"--previous: {path}: not an untouched manifest; give that of the bundle before the first")
    return bundle.head


def find(path: Path, key: VerifyKey | None) -> list[Bundle]:
    """The bundle that a manifest or a folder is, or all those in the folders below. Raises UsageError."""
    if path.is_file():
        return [examine(path.parent, key, path)]
    if not path.is_dir():
        raise UsageError(f"{path}: no such bundle; give its folder, its manifest or a folder of bundles")
    folders = sorted({file.parent for file in path.rglob("*") if file.is_file()})
    if not folders:
        raise UsageError(f"{path}: holds no bundle; give its folder, its manifest or a folder of bundles")
    is_one = path in folders and (len(folders) == 1 or any(path.glob("*.json")))
    return [examine(folder, key) for folder in ([path] if is_one else folders)]


def chain(bundles: Sequence[Bundle], before: Head | None) -> list[Check]:
    """Whether the bundles of each unit follow each other without a gap; `before` is the one before the first."""
    heads = sorted((b.head for b in bundles if b.head is not None), key=lambda head: (head.unit_id, head.sequence))
    checks = []
    for unit_id in dict.fromkeys(head.unit_id for head in heads):
        row = [head for head in heads if head.unit_id == unit_id]
        if before is None:
            checks.append(_beginning(row[0]))
        else:
            row.insert(0, before)
        faults = [Check("chain", Result.TOUCHED, fault) for pair in pairwise(row) if (fault := _break(*pair))]
        checks += faults
        if len(row) > 1 and not faults:
            numbers = f"{row[0].sequence} to {row[-1].sequence}"
            checks.append(Check("chain", Result.OK, f"{unit_id}: numbers {numbers} without a gap"))
    return checks


def _beginning(first: Head) -> Check:
    if first.previous is None:
        return Check("chain", Result.OK, f"{first.unit_id}: number {first.sequence} is the unit's first")
    note = f"{first.unit_id}: what was before number {first.sequence}; give its manifest with --previous"
    return Check("chain", Result.OPEN, note)


def _break(one: Head, other: Head) -> str | None:
    """What is wrong between two bundles that should follow each other."""
    if one.unit_id != other.unit_id:
        return f"number {one.sequence} before it is of {one.unit_id}, not of {other.unit_id}"
    if other.sequence <= one.sequence:
        return f"{one.unit_id}: number {other.sequence} does not come after number {one.sequence}"
    if other.sequence > one.sequence + 1:
        missing = f"{one.sequence + 1}" + (f" to {other.sequence - 1}" if other.sequence > one.sequence + 2 else "")
        return f"{one.unit_id}: number {missing} is missing"
    if other.previous != one.digest:
        return f"{one.unit_id}: number {other.sequence} names another bundle before it than number {one.sequence}"
    return None


def verify(path: Path, key: VerifyKey | None, before: Head | None) -> tuple[bool, list[str]]:
    """Whether all is as it was written, and the lines that say so. Raises UsageError and OSError."""
    bundles = find(path, key)
    lines = []
    for bundle in bundles:
        is_whole = not any(check.result is Result.TOUCHED for check in bundle.checks)
        if len(bundles) > 1 and is_whole:
            lines.append(f"{bundle.folder.name}  ok, {len(bundle.checks)} checks")
            continue
        lines += [str(bundle.folder), *map(_line, bundle.checks)]
    links = chain(bundles, before)
    lines += map(_line, links)
    results = [check.result for each in bundles for check in each.checks] + [check.result for check in links]
    touched, left = results.count(Result.TOUCHED), results.count(Result.OPEN)
    verdict = f"TOUCHED in {touched} places" if touched else "OK"
    lines.append(verdict + (f"; {left} not checked" if left else ""))
    return not touched, lines


def _line(check: Check) -> str:
    return f"  {check.what:<14} {check.result:<12} {check.note}"
