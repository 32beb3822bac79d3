"""What holds for all tests: none of them depends on how fast the machine is, or on luck."""

from hypothesis import settings

# The same examples for everybody, so that a change is judged and not the draw;
# `--hypothesis-profile=drawn` hunts with new ones.
settings.register_profile("drawn", deadline=None)
settings.register_profile("any machine", deadline=None, derandomize=True)
settings.load_profile("any machine")
