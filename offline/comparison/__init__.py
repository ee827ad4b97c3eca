"""How the field judges a model: against simpler families, and by whether its syllables are distinct."""
