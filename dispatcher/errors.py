"""What can be broken, and the exit code each fault ends the process with.

Expected outcomes (a forged report, an owner without a phone, a throttled send) are values, never exceptions.
"""

from __future__ import annotations


class CakraError(Exception):
    """A fault told in one line: what, where, and the mend. Printed without a traceback."""

    exit_code = 1


class UsageError(CakraError):
    """The command was called wrongly."""

    exit_code = 2


class ConfigError(CakraError):
    """A config, key, template, law or snapshot file does not hold together: `FILE: FIELD: what is wrong; the mend`."""

    exit_code = 78


class StoreError(CakraError):
    """The database or the evidence folder cannot be written or read."""


class UnstorableError(StoreError):
    """The database is well, but does not hold such values; trying again cannot help."""


class AwayError(StoreError):
    """The database cannot be used just now, and that is no fault of what was asked of it."""


class ContendedError(AwayError):
    """Another transaction stood in the way of this one; the same again will do."""
