"""Top floor: the command line and the flows behind its verbs; alone in starting programs."""
