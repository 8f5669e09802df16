"""What can be broken, and the exit code each fault ends the process with.

Expected outcomes (an unreadable plate, a broker that is away) are values, never exceptions.
"""

from __future__ import annotations


class CakraError(Exception):
    """A fault told in one line: what, where, and the mend. Printed without a traceback."""

    exit_code = 1


class UsageError(CakraError):
    """The command was called wrongly."""

    exit_code = 2


class ConfigError(CakraError):
    """A config, site or key file does not hold together: `FILE: FIELD: what is wrong; the mend`."""

    exit_code = 78


class ModelError(CakraError):
    """A network's file is missing, changed or not one of ours."""

    exit_code = 78


class CaptureError(CakraError):
    """The frame source cannot be opened or broke off."""


class StoreError(CakraError):
    """The SQLite file or the evidence folder cannot be written or read."""
