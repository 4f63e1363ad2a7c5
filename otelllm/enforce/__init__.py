"""What may refuse, change or delay a call: a file each."""
