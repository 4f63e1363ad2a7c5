"""Parts of bench/enforcement.py that go through a real SDK."""
