"""A program that looks at the console as a person would: it logs in by the form and keeps the cookie."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from typing import Any

_TOKEN = re.compile(r'name="token" value="([0-9a-f]+)"')


class Visitor:
    """One user in one browser; logs in when it is first needed, and again when the session has ended."""

    def __init__(self, address: str, name: str, password: str) -> None:
        self._address = address
        self._said = {"name": name, "password": password}
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def get_json(self, path: str) -> Any:
        """What the console answers. Raises OSError while it is away or when it refuses."""
        try:
            return json.loads(self._get(path))
        except urllib.error.HTTPError as error:
            if error.code != 401:
                raise
        self._log_in()
        return json.loads(self._get(path))

    def _get(self, path: str) -> str:
        with self._opener.open(self._address + path, timeout=5) as answer:
            return str(answer.read().decode())

    def _log_in(self) -> None:
        token = _TOKEN.search(self._get("/login"))
        if token is None:
            raise OSError("the log-in page has no form")
        form = urllib.parse.urlencode({**self._said, "token": token[1]}).encode()
        self._opener.open(f"{self._address}/login", form, timeout=10).close()
