"""What every HTML page is made of: one base, one style, one set of macros, one line chart. A page needs no network."""
