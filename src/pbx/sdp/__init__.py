"""Session descriptions (RFC 8866) and how two of them agree (RFC 3264)."""
