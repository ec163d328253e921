"""Measure a level or a whole study: spectra, radii, lines, surface, distances, what is matched, density."""

from lth.command.analyze import main

if __name__ == "__main__":
    main()
