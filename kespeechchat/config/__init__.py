"""A profile as pydantic models: every setting, its check and its default."""
