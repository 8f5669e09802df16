"""`cakra-simulate whatsapp`: the simulator as a process of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from agent.errors import CakraError

# The simulator's own modules are imported in `run`: they need the `simulate` extra, and the other
# simulations, which share this command line, do not.


TEMPLATES = Path(__file__).resolve().parents[2] / "config" / "templates"
"""The templates the dispatcher sends by default, in this checkout."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `cakra-simulate whatsapp`."""
    add = parser.add_argument
    add("--port", type=int, default=8085, help="loopback port; 0 takes a free one and prints it")
    add("--templates", type=Path, default=TEMPLATES, help="template file, or a folder of them")
    add("--outcomes", type=Path, help="script of outcomes by recipient, YAML or JSON")
    add("--webhook", metavar="URL", help="where the dispatcher takes webhooks; the handshake is tried until it passes")
    add("--token", default="sim-token", help="bearer token the dispatcher must send")
    add("--app-secret", default="sim-app-secret", help="key of the webhooks' signature")
    add("--verify-token", default="sim-verify-token", help="word of the webhook's handshake")
    add("--api-version", default="v25.0", help="first part of the API's path")
    add("--phone-number-id", default="100000000000001", help="id of the business number in the API's path")
    add("--business-name", default="Konfirmasi E-TLE", help="name at the top of the chat")
    add("--users-per-day", type=int, default=100_000, help="messaging limit: unique users in 24 hours")
    add("--messages-per-s", type=float, default=80.0, help="throughput of the number")
    add("--seed", type=int, help="fixed ids and shuffling; the default makes new ids in each run")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; returns the exit code, raises `CakraError` for a bad template, script or port."""
    from simulation.whatsapp.app import create_app
    from simulation.whatsapp.outcomes import load_outcomes
    from simulation.whatsapp.registry import load_templates
    from simulation.whatsapp.server import listen, server_of
    from simulation.whatsapp.settings import Limits, Settings

    settings = Settings(
        templates=load_templates(args.templates),
        outcomes=load_outcomes(args.outcomes) if args.outcomes else {},
        webhook_url=args.webhook,
        token=args.token,
        app_secret=args.app_secret,
        verify_token=args.verify_token,
        version=args.api_version,
        phone_number_id=args.phone_number_id,
        business_name=args.business_name,
        limits=Limits(messages_per_s=args.messages_per_s, unique_users_per_day=args.users_per_day),
        seed=args.seed,
    )
    try:
        door = listen(args.port)
    except (OSError, OverflowError) as error:
        raise CakraError(f"--port {args.port}: cannot listen ({error}); give another, or 0 for a free one") from error
    with door:
        address = f"http://127.0.0.1:{door.getsockname()[1]}"
        print(f"WhatsApp simulator: {address}/{settings.version}  phones: {address}/phone", flush=True)
        try:
            server_of(create_app(settings)).run(sockets=[door])
        except KeyboardInterrupt:
            return 0
    return 0
