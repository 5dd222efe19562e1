"""`python -m campaign`: processes import what they are given from `campaign.drive`, not from here."""

import sys

from campaign.drive import main

if __name__ == "__main__":
    sys.exit(1 if main() else 0)
