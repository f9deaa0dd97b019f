"""Products of the gated dialogues: metadata, splits, partitions, statistics, card."""
