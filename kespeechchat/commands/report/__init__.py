"""`kesc report`: a build as one page that opens anywhere: what was made, what left and why, and dialogues to hear."""
