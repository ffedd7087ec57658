"""Apply a policy to what is known: screen records, resolve duplicates, split. Pure; loads no Beam."""
