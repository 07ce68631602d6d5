"""Side-by-side benchmarks: the same input, equal answers, then times."""
