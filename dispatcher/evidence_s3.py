"""Pieces of evidence as objects of an S3 bucket (library: `boto3`)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from dispatcher.breaker import Breaker
from dispatcher.errors import ConfigError, StoreError
from dispatcher.evidence import MEDIA_TYPE, as_put, tell
from dispatcher.settings import S3Settings

_AT_ONCE = 10
"""The library keeps so many connections."""
_TRIES = 2
"""One lost connection is no fault; more than that, and the unit says the piece again later."""
_PAUSE = timedelta(seconds=5)
"""A server that answered nothing of a handful is left alone for so long; the intake goes on without pictures."""
_LATE = "S3: no answer in time"


class EvidenceBucket:
    """Pieces below the prefix of a bucket. The client is made for many threads, and connects when it is first used."""

    def __init__(self, url: str, settings: S3Settings, secret_key: str | None, clock: Callable[[], datetime]) -> None:
        """`url` is `s3://BUCKET/PREFIX`. Raises ConfigError."""
        place = urlsplit(url)
        self._bucket = place.netloc
        self._prefix = f"{place.path.strip('/')}/".lstrip("/")
        self._how = {"ServerSideEncryption": settings.encryption} if settings.encryption else {}
        self._s3 = _client(settings, secret_key)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="evidence")
        self._most_s = settings.timeout_s
        self._breaker = Breaker(1, _PAUSE)
        self._clock = clock

    def put(self, place: str, content: bytes) -> None:
        named = PurePosixPath(place)
        digest = base64.b64encode(bytes.fromhex(named.stem)).decode()
        what = {"Body": content, "ContentType": MEDIA_TYPE[named.suffix], "ChecksumSHA256": digest}
        with _told():
            self._s3.put_object(**self._key(place), **what, **self._how)

    def put_all(self, pieces: Mapping[str, bytes]) -> Mapping[str, bool]:
        if pieces and self._breaker.since is not None:
            probed = self._probe(pieces)
            return {place: place == probed for place in pieces}
        flying = {self._pool.submit(self.put, place, content): place for place, content in pieces.items()}
        done, late = wait(flying, self._most_s)
        under_way = {flying[each]: not each.cancel() for each in late}
        faults = {flying[each]: fault for each in done if (fault := _fault(each))} | dict.fromkeys(under_way, _LATE)
        if late and len(faults) == len(pieces):
            self._breaker.failed(self._clock())
        tell(faults)
        return dict.fromkeys(faults, False) | under_way

    def _probe(self, pieces: Mapping[str, bytes]) -> str:
        """Try now and then whether a server that hung answers again; nobody waits for it. The piece's place, or ''."""
        if not self._breaker.allows(self._clock()):
            return ""
        place, content = next(iter(pieces.items()))
        self._pool.submit(self.put, place, content).add_done_callback(self._probed)
        return place

    def _probed(self, done: Future[None]) -> None:
        if _fault(done):
            self._breaker.failed(self._clock())
        else:
            self._breaker.succeeded()

    def read(self, place: str) -> bytes | None:
        if not _is_inside(place):
            return None
        with _told():
            try:
                found = self._s3.get_object(**self._key(place))
            except self._s3.exceptions.NoSuchKey:
                return None
            return as_put(place, found["Body"].read())

    def remove(self, place: str) -> None:
        if not _is_inside(place):
            return
        with _told():
            answer = self._s3.delete_object(**self._key(place))
        if answer.get("DeleteMarker"):
            raise StoreError("evidence: the bucket keeps versions of what is erased; use one without versioning")

    def is_empty(self) -> bool:
        with _told():
            found = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)
        return not found["KeyCount"]

    def _key(self, place: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + place}


def _client(settings: S3Settings, secret_key: str | None) -> Any:
    if settings.ca is not None and not settings.ca.is_file():
        raise ConfigError(f"{settings.ca}: s3.ca: there is no such file; check the path")
    how = Config(
        connect_timeout=settings.timeout_s,
        read_timeout=settings.timeout_s,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
        request_checksum_calculation="when_required",  # a piece brings its own, which servers understand longer
        s3={"addressing_style": "path" if settings.endpoint else "auto"},
    )
    try:
        return boto3.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            aws_access_key_id=settings.access_key,
            aws_secret_access_key=secret_key,
            verify=str(settings.ca) if settings.ca else None,
            config=how,
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"s3: {error}; mend this section") from None


def _is_inside(place: str) -> bool:
    return not place.startswith("/") and not {"", ".", ".."} & set(place.split("/"))


def _fault(done: Future[None]) -> str:
    """Why a piece is not kept; empty when it is. Raises what is no fault of the store."""
    try:
        done.result()
    except StoreError as fault:
        return str(fault)
    return ""


@contextmanager
def _told() -> Iterator[None]:
    """The server's or the connection's fault as StoreError, without the name of the piece."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        raise StoreError(f"evidence: S3 answers {code}; check the bucket, its policy and the keys") from None
    except BotoCoreError as error:
        raise StoreError(f"evidence: S3: {type(error).__name__}; check s3.endpoint and the server") from None
