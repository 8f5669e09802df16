"""Data, networks and measurements: how the committed models were made."""
