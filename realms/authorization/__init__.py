"""Who may do what in a realm: how permissions decide, and the authorizers that decide the rest."""
