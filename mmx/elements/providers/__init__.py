"""Region providers: where the boxes and features of a picture come from, one file each."""
