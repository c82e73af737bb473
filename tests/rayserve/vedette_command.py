"""`vedette` as `python -m`, for LocalRay.run."""

from vedette.cli import main

if __name__ == "__main__":
    main()
