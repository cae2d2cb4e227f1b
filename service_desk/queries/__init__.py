"""The read side, shaped for screens: functions of a `Reader`, nothing kept between calls."""
