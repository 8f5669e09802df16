"""The centre: each violation stored once, its owner found, one WhatsApp confirmation sent and followed."""
