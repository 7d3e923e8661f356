"""GivenSchema: the user's schema where no file of this machine can be read."""
