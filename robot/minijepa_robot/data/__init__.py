"""Episodes on disk: ours, LeRobot and DROID, and how they are recorded."""
