"""Shards in ROOT: atomic commits, checksums, journal, on a folder or an object store."""
