"""The shell at the desk: sessions on disk, training, scoring, pictures."""
