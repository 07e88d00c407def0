"""``python -m fastrec`` is the command ``fastrec``."""

from fastrec.cli import main

if __name__ == "__main__":
    main()
