"""Database and evidence as one folder, and back: `cakra-dispatcher backup` and `restore`."""
