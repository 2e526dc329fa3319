"""The simulated arm: scene, physics, cameras, scripts and tasks."""
