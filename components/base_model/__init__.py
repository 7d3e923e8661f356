"""BaseModel: in the cloud, which earlier model and vocabulary a run builds on; a repeat is cached."""
