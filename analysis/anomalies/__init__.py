"""Study 2, its last part: the most unusual detections of a space, and what may explain each."""
