"""Is everything here that a run needs? Checks of this machine, and of the vendor."""
