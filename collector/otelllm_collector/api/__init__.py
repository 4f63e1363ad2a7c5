"""The query API, a file a group of routes; each gives `routes(asker)`."""
