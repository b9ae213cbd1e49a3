"""The command line: parses, calls, prints. No maths, and no heavy import before a command runs."""
