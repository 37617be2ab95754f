"""Notes: the application that each instance runs for its user."""

from django.conf import settings

# This line is the first of the application's to be run. The original arrangement stood or fell by this: an instance
# must have read its own settings before its application loads, or it works with somebody else's.
SETTINGS_CAME_FIRST = settings.configured
