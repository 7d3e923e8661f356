"""What the repository needs beside the three packages; never installed."""
