"""Where counters of limits and budgets live: in memory, in SQLite, in Redis or Valkey; `spec` has the contract."""
