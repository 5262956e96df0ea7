"""How nbgrader makes an exercise of a solution: read by `make exercises`; copied into courses."""

c = get_config()  # noqa: F821  (nbgrader provides it)

c.ClearSolutions.code_stub = {"python": "raise NotYet()  # replace this line by your answer"}
