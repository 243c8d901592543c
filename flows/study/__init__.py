"""What the studies of flows/studies/ share: trained networks, measured prices, statistics."""
