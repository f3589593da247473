"""What a realm is: who may do what in it, and what it adds."""
