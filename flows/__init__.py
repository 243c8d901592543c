"""Top floor: the command line and the flows behind its verbs. The only place that starts programs."""
