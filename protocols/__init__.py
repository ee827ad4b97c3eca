"""Pure: what the animal experiences: rules, schedules, pulses, limits."""
