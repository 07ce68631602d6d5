"""The commands of `orderflow`, one a file. Each imports what it runs only when it runs."""
