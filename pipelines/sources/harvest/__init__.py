"""Ask the APIs of Openverse and Wikimedia Commons, and save their answers for the readers."""
