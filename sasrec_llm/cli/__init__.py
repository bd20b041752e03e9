"""The command line: parsing and printing, one file per command."""
