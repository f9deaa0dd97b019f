"""Rules of language: prompts, checks, normalization, error rates. No models."""
