"""Programs that draw the pictures of the gallery, each in at most 60 lines."""
