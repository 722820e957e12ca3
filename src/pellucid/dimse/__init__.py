"""DICOM's own network protocol (PS3.7, PS3.8): the archive as a service, and clients for other archives."""
