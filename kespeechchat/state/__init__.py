"""What is in ROOT, what of it is stale, and what comes next. It makes nothing."""
