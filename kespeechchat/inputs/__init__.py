"""The user's files become rows, and rows become numbered shards, once."""
