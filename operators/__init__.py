"""Market logic: columns in, columns and records out. No sockets, files, environment or wall clock."""
