"""What people call: init, calibration, status, predict, export."""
