"""How nbgrader makes an exercise of a solution, and grades it: for `make exercises` and courses."""

c = get_config()  # noqa: F821  (nbgrader provides it)

c.ClearSolutions.code_stub = {"python": "raise NotYet()  # replace this line by your answer"}
# nbgrader stops a cell after 30 seconds by default: less than training takes on a busy machine.
c.Execute.timeout = 3600
