"""Mutual TLS as this dispatcher speaks it, to the broker and to the owner registry."""

from __future__ import annotations

import ssl

from dispatcher.errors import ConfigError
from dispatcher.settings import TlsSettings


def client_context(settings: TlsSettings, field: str) -> ssl.SSLContext:
    """Believes `ca` alone and shows `cert`; `field` is where the settings stand. Raises ConfigError."""
    for name, path in (("ca", settings.ca), ("cert", settings.cert), ("key", settings.key)):
        if not path.is_file():
            raise ConfigError(f"{path}: {field}.{name}: there is no such file; check the path")
    try:
        context = ssl.create_default_context(cafile=str(settings.ca))
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(str(settings.cert), str(settings.key), password="")
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or error
        raise ConfigError(
            f"{settings.cert}: {field}: {why}; check that ca, cert and key are PEM, match and have no password"
        ) from None
    return context
