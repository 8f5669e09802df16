"""An S3 server of one's own on loopback (moto's), which believes nobody without a key and a policy."""

from __future__ import annotations

import json
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import boto3

_DEADLINE_S = 60.0
_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class S3Server:
    """The server as a process that may be stopped for a while."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.endpoint = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file)
        deadline = time.monotonic() + _DEADLINE_S
        while not self._answers(port):
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        self._iam = self._client("iam", ("nobody", "nothing"))
        self._iam = self._client("iam", self.user(_ALL))
        self.admin = self._client("s3", self.user(_ALL))
        self._believe_nobody()

    def _answers(self, port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    def _believe_nobody(self) -> None:
        """From now on signatures and policies count."""
        address = f"{self.endpoint}/moto-api/reset-auth"
        request = urllib.request.Request(address, b"0", {"Content-Type": "text/plain"}, method="POST")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200

    def _client(self, service: str, keys: tuple[str, str]) -> Any:
        given = {"aws_access_key_id": keys[0], "aws_secret_access_key": keys[1]}
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1", **given)

    def user(self, policy: dict[str, Any]) -> tuple[str, str]:
        """Access key and secret key of a new user who may do what the policy says."""
        name = f"user-{secrets.token_hex(4)}"
        self._iam.create_user(UserName=name)
        self._iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        made = self._iam.create_access_key(UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def bucket(self) -> str:
        """A new bucket."""
        name = f"cakra-{secrets.token_hex(4)}"
        self.admin.create_bucket(Bucket=name)
        return name

    def hang(self) -> None:
        """Connections are taken, and nothing is answered."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
