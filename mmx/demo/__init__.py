"""The page that `mmx demo` opens: one file for what it holds, one for what it shows, one for what it lets through."""
