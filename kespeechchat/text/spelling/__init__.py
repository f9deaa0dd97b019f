"""How a text may be spoken: each written form (1990s, 9 AM, Dr., 5kg) with the words that it may stand for.

A text is a list of segments. A segment is a tuple of readings: plain words have one, a written form has several, the
likeliest first. An error rate takes the readings of both texts that need the fewest edits (`lattice.least_edits`).

* `scanner` finds written forms by rules and keeps what is between them;
* `english_numbers`, `english_forms`, `english_words` and `chinese_numbers`, `chinese` hold the rules;
* `lattice` aligns two texts over all their readings.
"""
