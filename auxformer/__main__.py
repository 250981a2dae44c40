"""`python -m auxformer` and `accelerate launch -m auxformer` are the command line."""

from auxformer.cli import main

if __name__ == "__main__":
    main()
