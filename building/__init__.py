"""What build.py does. Standard library only, and no part of the extension."""
