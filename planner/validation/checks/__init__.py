"""Checks, one file per mechanism. Each file has a table `CHECKS` of name -> function."""
