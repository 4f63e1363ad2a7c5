"""The version of the three packages; hatchling reads it too."""

__version__ = "0.1.0"
