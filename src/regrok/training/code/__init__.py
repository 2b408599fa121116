"""What a piece of the package says, whatever its files and names are called."""
