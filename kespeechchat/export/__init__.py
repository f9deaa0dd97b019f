"""`kesc export`: finished dialogues in the file layout that a trainer reads.

`selection` says which dialogues, `dialogues` what is said of each, `folder` keeps exports resumable, `layout` says what
a layout is, and `layouts/` has them all.
"""
