"""What a training step costs beside the same network written plainly; `make bench`."""
