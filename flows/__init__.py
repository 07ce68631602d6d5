"""What runs: the dataflow, its feeds and the command line."""

__version__ = "2.0.0.dev0"
