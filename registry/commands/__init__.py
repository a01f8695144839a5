"""The commands behind `registry.cli`, a module for each noun; all of them need the extra ``cli``."""
