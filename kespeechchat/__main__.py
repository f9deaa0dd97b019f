"""`python -m kespeechchat` is `kesc`."""

from kespeechchat.cli import main

if __name__ == "__main__":
    main()
