"""Market logic: columns in, records out. No sockets, files, environment or wall clock."""
