"""`python -m tracklog`: the command, for an interpreter whose scripts folder is not on the PATH."""

from tracklog.cli import main

if __name__ == "__main__":
    main()
