"""What can be broken, and the exit code each fault ends the process with.

Expected outcomes (an unreadable plate, a broker that is away) are values, never exceptions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


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


def exit_code(program: str, command: Callable[[], int]) -> int:
    """Run a program's command; a fault is told in one line on standard error."""
    try:
        return command()
    except CakraError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{program}: {where}{error.strerror or error}; check the path and its rights", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
