"""A WhatsApp Business Cloud API on the loopback interface, with the owner's phone to look at."""

from simulation.whatsapp.command import add_arguments, run

__all__ = ["add_arguments", "run"]
