"""`kesc build`: makes what is missing, stale or failed, in processes of this machine, on Ray, or in this process."""
