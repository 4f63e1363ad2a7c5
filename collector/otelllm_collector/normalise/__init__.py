"""Vocabularies: which attribute fills which column, a file each."""
