"""Networks of other tools, read into an IntegerGraph."""
