"""What looks at a build or hands it over: one file a command, named as the command.

None of them can start a build: only `commands.doctor` and `commands.plan`, which run a few rows, import `execution`.
"""
