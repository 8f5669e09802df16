"""`cakra-simulate`: what cannot be here, made faithfully: a road with traffic, a WhatsApp, and an owner registry.

Exit codes: 0 done, 1 a fault, 2 called wrongly, 78 a scenario or config that does not hold together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from agent.errors import exit_code

_COMMANDS = {
    "footage": ("simulation.footage_files", "render a road with traffic and its exact truth"),
    "suite": ("simulation.suite", "render many short clips for each rule, with exact truth"),
    "registry": ("simulation.registry", "serve a stand-in for the owner registry on loopback"),
    "whatsapp": ("simulation.whatsapp", "serve a stand-in for the WhatsApp Business Cloud API on loopback"),
}
"""Command, the module with its `add_arguments(parser)` and `run(args) -> int`, and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a fault is told in one line."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser(arguments).parse_args(arguments)
    return exit_code("cakra-simulate", lambda: import_module(_COMMANDS[args.command][0]).run(args))


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the asked command's module is imported: `footage` runs where FastAPI is not installed."""
    parser = argparse.ArgumentParser(
        "cakra-simulate", description="A road with traffic, a WhatsApp and an owner registry, simulated."
    )
    parser.add_argument("--version", action="version", version=f"cakra {version('cakra')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    for name, (module, told) in _COMMANDS.items():
        command = commands.add_parser(name, help=told, description=told.capitalize() + ".")
        if name in arguments[:1]:
            try:
                import_module(module).add_arguments(command)
            except ModuleNotFoundError as error:
                parser.exit(1, f"cakra-simulate: {error.name} is not installed; pip install 'cakra[simulate]'\n")
    return parser


if __name__ == "__main__":
    sys.exit(main())
