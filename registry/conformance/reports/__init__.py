"""What a run found, for people and for machines. Nothing here asks the server anything."""
