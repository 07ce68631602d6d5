"""Outputs of the dataflow: lines and rows. They know nothing of markets."""
