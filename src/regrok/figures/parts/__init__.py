"""What the figures share: style, captions, panels."""
