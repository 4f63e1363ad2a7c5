"""Load for the collector's benchmarks: what is sent, who sends it, and who takes it."""
