"""What speaks to providers: one folder per channel, one contract for all of them."""

PRODUCT = (
    "service-desk"  # read by service_desk.guard: another distribution on the index has the same import name
)
