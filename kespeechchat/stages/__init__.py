"""One file per stage, named as in the flow; `flow` has them all in order."""
