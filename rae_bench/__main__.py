"""`python -m rae_bench` is `rae-bench`."""

from rae_bench.cli import main

if __name__ == "__main__":
    main()
