"""Dialogues as a listener meets them: texts, what was heard, scores, speech, lineage; and the pages that show them."""
