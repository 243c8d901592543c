"""Well-known networks as ordinary modules: nothing in them knows of bits or of the overlay."""
