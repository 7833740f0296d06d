"""The API server's side: a client that speaks JSON, watches, and what is read from a cluster. Only this package knows `kubernetes`."""
