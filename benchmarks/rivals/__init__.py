"""The same rules written in other ways: what the project is compared with."""
