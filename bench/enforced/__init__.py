"""What `bench/enforcement.py` measures through a real SDK: in memory, and over loopback beside a router."""
