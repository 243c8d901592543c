"""Networks of our own: one file each, the file's name is the network's name in configs."""
