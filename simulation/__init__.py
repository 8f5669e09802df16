"""Rendered roads, plates and a WhatsApp that is not Meta's: what cannot be here, made faithfully."""
