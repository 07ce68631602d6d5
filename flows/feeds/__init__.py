"""Inputs of the dataflow: each a Bytewax source of `Frames`, `Ticks` and `Coverage`."""
