#!/nonexistent/loader
# Plays a tegrastats whose loader is missing.
