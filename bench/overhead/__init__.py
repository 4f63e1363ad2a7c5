"""What `bench/instrumentation.py` measures with: contestants, their environments, and the process that runs each."""
