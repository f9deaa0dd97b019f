"""A document as words and, of them, the spans that are to be speech (arXiv 2411.17607, section 2.1)."""
