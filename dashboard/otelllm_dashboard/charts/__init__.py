"""What is drawn from an answer of the collector; every figure is a pure function of it."""
