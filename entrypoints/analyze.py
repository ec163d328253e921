"""Measure the geometry of one level or of a whole study: spectra, radii, lines, surface, distances, density."""

from lth.command.analyze import main

if __name__ == "__main__":
    main()
