"""The edge unit: frames in at the lens, signed violations out of an SQLite outbox."""
