"""The command: verbs that call the library and print what it returns."""
