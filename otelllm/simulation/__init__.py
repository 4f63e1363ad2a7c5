"""What a policy would have done with calls that were made: stored spans, replayed by their own times."""
