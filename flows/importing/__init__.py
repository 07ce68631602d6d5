"""History in: the vendor's flat files and REST listings to tapes, a folder a day."""
