"""`kesc build`: makes what is missing, stale or failed, on Ray or in this process."""
