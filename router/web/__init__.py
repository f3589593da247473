"""What the router serves to browsers."""
