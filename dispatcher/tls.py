"""Mutual TLS as this dispatcher speaks it, to the broker and to the owner registry."""

from __future__ import annotations

import logging
import ssl
from threading import Lock

from dispatcher.errors import ConfigError
from dispatcher.settings import TlsSettings

log = logging.getLogger(__name__)


class ClientTls:
    """A context whose certificate may be renewed on the disk while it is in use; may be used by several threads."""

    def __init__(self, settings: TlsSettings, field: str) -> None:
        """Raises ConfigError."""
        self._settings = settings
        self._field = field
        self._lock = Lock()
        self._read_at = self._written_at()
        self._context = client_context(settings, field)

    def current(self) -> ssl.SSLContext:
        """The context, with the files as they are now; always the same one, and files that do not fit together yet are
        passed over. A CA that was taken out is believed until the next start."""
        with self._lock:
            written_at = self._written_at()
            if written_at != self._read_at:
                self._read_at = written_at
                self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            client_context(self._settings, self._field)  # half a pair would spoil the one in use
            self._context.load_verify_locations(str(self._settings.ca))
            _show(self._context, self._settings)
        except (ConfigError, OSError) as error:
            log.error("a renewed certificate is no good; the old one stays in use", extra={"reason": str(error)})
        else:
            log.info("a renewed certificate is in use", extra={"part": self._field})

    def _written_at(self) -> tuple[int, ...]:
        """When each file was last written, in ns; 0 for one that is not there."""
        files = (self._settings.ca, self._settings.cert, self._settings.key)
        return tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files)


def client_context(settings: TlsSettings, field: str) -> ssl.SSLContext:
    """Believes `ca` alone and shows `cert`; `field` is where the settings stand. Raises ConfigError."""
    for name, path in (("ca", settings.ca), ("cert", settings.cert), ("key", settings.key)):
        if not path.is_file():
            raise ConfigError(f"{path}: {field}.{name}: there is no such file; check the path")
    try:
        context = ssl.create_default_context(cafile=str(settings.ca))
        _show(context, settings)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or error
        raise ConfigError(
            f"{settings.cert}: {field}: {why}; check that ca, cert and key are PEM, match and have no password"
        ) from None
    return context


def _show(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Show this certificate from now on. Without a password OpenSSL would ask for one on the terminal."""
    context.load_cert_chain(str(settings.cert), str(settings.key), password="")
