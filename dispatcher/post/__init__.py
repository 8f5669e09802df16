"""The printable letter, for owners whom WhatsApp cannot reach."""
