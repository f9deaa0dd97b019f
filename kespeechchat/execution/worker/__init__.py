"""What runs in each worker process: one shard from journal to commit. It knows no driver."""
