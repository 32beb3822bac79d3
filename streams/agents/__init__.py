"""The stages, one a file: bytes become a core value, the core decides, values become bytes."""
