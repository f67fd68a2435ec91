"""Text, tables and files from frames: the only room that draws."""
