"""Mining real speakers, blending virtual ones, and the promises of the voice library."""
