"""The wire: what was ever released must decode for ever, and what was tampered with must not verify."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wire import topics
from wire.canonical import canonical_json, sha256_hex
from wire.codec import DecodeError, decode, decode_evidence, encode, encode_evidence
from wire.manifest import SignedManifest, digests_of
from wire.messages import (
    Ack,
    EvidenceHeader,
    EvidenceRole,
    SignedReport,
    UnitStatus,
    ViolationReport,
)
from wire.signing import SigningKey, VerifyKey

GOLDEN = Path(__file__).parent / "golden"
KINDS = {"report": SignedReport, "manifest": SignedManifest, "status": UnitStatus, "ack": Ack}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("v1-*.json")), ids=lambda path: path.stem)
def test_golden_messages_decode_and_encode_to_the_same_bytes(path: Path) -> None:
    """A dispatcher must understand every unit in the field, however old its software."""
    kind = KINDS[path.stem.split("-")[1]]
    assert encode(decode(kind, path.read_bytes())) == path.read_bytes()


def golden_key(name: str) -> VerifyKey:
    return VerifyKey.from_base64((GOLDEN / f"{name}.pub").read_text().strip())


@pytest.mark.parametrize(("name", "key"), [("v1-report", "unit"), ("v1-report-bundle", "unit-bundle")])
def test_golden_reports_still_verify(name: str, key: str) -> None:
    """A signature made by an old unit must hold in a newer dispatcher."""
    assert golden_key(key).verifies(decode(SignedReport, (GOLDEN / f"{name}.json").read_bytes()))


def test_the_golden_manifest_still_verifies_and_is_the_one_its_report_names() -> None:
    """A bundle of years ago must hold in court."""
    content = (GOLDEN / "v1-manifest.json").read_bytes()
    assert golden_key("unit-bundle").verifies_manifest(decode(SignedManifest, content))
    report = decode(SignedReport, (GOLDEN / "v1-report-bundle.json").read_bytes()).body
    assert report.evidence[-1].role is EvidenceRole.MANIFEST
    assert report.evidence[-1].sha256 == sha256_hex(content)


def test_a_changed_manifest_does_not_verify() -> None:
    """Neither a field alone, nor a field with its digest, can be changed by somebody without the unit's key."""
    key = golden_key("unit-bundle")
    signed = decode(SignedManifest, (GOLDEN / "v1-manifest.json").read_bytes())
    body = signed.body.model_copy(update={"margin": 0.5})
    assert not key.verifies_manifest(signed.model_copy(update={"body": body}))
    digests = digests_of(body.model_dump(mode="json"))
    assert not key.verifies_manifest(signed.model_copy(update={"body": body, "digests": digests}))
    assert not SigningKey.generate().public.verifies_manifest(signed)


def test_golden_evidence_decodes() -> None:
    """Evidence framed by an old unit must still be taken apart."""
    header, content = decode_evidence((GOLDEN / "v1-evidence.bin").read_bytes())
    assert (header.role, content) == (EvidenceRole.PLATE, b"not really a picture")


def golden_body() -> dict[str, object]:
    body = json.loads((GOLDEN / "v1-report.json").read_bytes())["body"]
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize(
    ("field", "value"),
    [("sequence", 2), ("margin", 0.5), ("verdict", "review"), ("location", "elsewhere"), ("article", "Pasal 1")],
)
def test_a_changed_field_breaks_the_signature(field: str, value: object) -> None:
    """Nobody between unit and centre can change what an owner is accused of."""
    key = SigningKey.generate()
    signed = key.sign(ViolationReport.model_validate(golden_body()))
    changed = ViolationReport.model_validate(golden_body() | {field: value})
    assert key.public.verifies(signed)
    assert not key.public.verifies(signed.model_copy(update={"body": changed}))


def test_another_units_key_does_not_verify() -> None:
    """One unit cannot speak for another."""
    signed = SigningKey.generate().sign(ViolationReport.model_validate(golden_body()))
    assert not SigningKey.generate().public.verifies(signed)
    assert not SigningKey.generate().public.verifies(signed.model_copy(update={"signature": "no base64!"}))


def test_keys_survive_their_files() -> None:
    """A key written to a unit's disk and to the dispatcher's list is the same key when read again."""
    key = SigningKey.generate()
    again = SigningKey.from_pem(key.to_pem())
    public = VerifyKey.from_base64(key.public.to_base64())
    assert public.verifies(again.sign(ViolationReport.model_validate(golden_body())))
    assert public.key_id == key.public.key_id


@pytest.mark.parametrize("text", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_broken_key_file_is_a_value_error(text: bytes) -> None:
    """A damaged key is told, not a traceback of the library."""
    with pytest.raises(ValueError, match="key"):
        SigningKey.from_pem(text)


def test_a_broken_public_key_is_a_value_error() -> None:
    """A mistyped public key in the dispatcher's list is told."""
    with pytest.raises(ValueError, match="base64"):
        VerifyKey.from_base64("AAAA")


def test_unknown_fields_are_refused() -> None:
    """A field the dispatcher does not know could change the meaning of a message; it never passes silently."""
    data = json.dumps(golden_body() | {"colour": "red"}).encode()
    with pytest.raises(DecodeError, match="colour"):
        decode(ViolationReport, data)


def test_decode_errors_never_carry_content() -> None:
    """A refused message's plate must not reach a log through its error."""
    body = golden_body()
    body["plate"] = {**body["plate"], "text": "b 1234 xyz"}  # type: ignore[dict-item]
    with pytest.raises(DecodeError) as refused:
        decode(ViolationReport, json.dumps(body).encode())
    assert str(refused.value) == "invalid:plate.text:string_pattern_mismatch"


def test_moments_without_zone_are_refused_and_others_become_utc() -> None:
    """A moment means one instant for everybody."""
    with pytest.raises(ValidationError):
        ViolationReport.model_validate(golden_body() | {"occurred_at": "2026-11-23T07:30:00"})
    jakarta = datetime(2026, 11, 23, 7, 30, tzinfo=timezone(timedelta(hours=7)))
    report = ViolationReport.model_validate(golden_body() | {"occurred_at": jakarta})
    assert report.occurred_at == datetime(2026, 11, 23, 0, 30, tzinfo=UTC)
    assert report.occurred_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("at", "0001-01-01T00:00:00+14:00"), ("backlog", 2**63), ("dead", 2**53), ("counters", {"x": 2**64})],
)
def test_numbers_and_moments_that_nobody_can_hold_are_refused(field: str, value: object) -> None:
    """One odd status of one unit must not stop the centre for all the others."""
    status = json.loads((GOLDEN / "v1-status.json").read_bytes())
    with pytest.raises(DecodeError, match=field):
        decode(UnitStatus, json.dumps(status | {field: value}).encode())


def header(content: bytes) -> EvidenceHeader:
    return EvidenceHeader(
        event_id=UUID(int=1),
        unit_id="unit-1",
        role=EvidenceRole.CONTEXT,
        sha256=sha256_hex(content),
        media_type="image/jpeg",
        size_bytes=len(content),
    )


@given(st.binary(min_size=1, max_size=2000))
def test_evidence_comes_back_as_it_went(content: bytes) -> None:
    """A picture is the same picture after its journey."""
    assert decode_evidence(encode_evidence(header(content), content)) == (header(content), content)


@given(st.binary(max_size=300))
def test_garbage_evidence_is_refused_with_a_reason(data: bytes) -> None:
    """Whatever arrives on the topic, intake gets a reason and no crash."""
    with pytest.raises(DecodeError):
        decode_evidence(data)


def test_one_changed_byte_of_a_picture_is_noticed() -> None:
    """Evidence is what the signed report named, or it is refused."""
    data = bytearray(encode_evidence(header(b"picture"), b"picture"))
    data[-1] ^= 1
    with pytest.raises(DecodeError, match="sha256_differs"):
        decode_evidence(bytes(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_canonical_json_is_a_fixed_point(value: object) -> None:
    """The verifier recomputes exactly the signer's bytes from what it decoded."""
    try:
        once = canonical_json(value)
    except UnicodeEncodeError:
        return
    assert canonical_json(json.loads(once)) == once


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("etle/v1/unit-1/up/violation", topics.UpTopic("unit-1", topics.Up.VIOLATION)),
        ("etle/v1/unit-1/up/gossip", None),
        ("etle/v1/unit-1/down/ack", None),
        ("etle/v1/Unit_1/up/status", None),
        ("etle/v2/unit-1/up/status", None),
    ],
)
def test_only_topics_of_units_are_understood(topic: str, expected: topics.UpTopic | None) -> None:
    """A message on a topic that is not ours is not taken for a unit's."""
    assert topics.parse_up(topic) == expected


def test_topics_built_are_topics_understood() -> None:
    """Unit and dispatcher meet on the same topics."""
    assert topics.parse_up(topics.up("unit-1", topics.Up.STATUS)) == topics.UpTopic("unit-1", topics.Up.STATUS)
    assert topics.all_up() == "etle/v1/+/up/#"
    assert topics.all_up("dispatch") == "$share/dispatch/etle/v1/+/up/#"
