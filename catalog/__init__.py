"""The vocabulary of byline: records, licenses, policy, packs, facts, manifest. Imports none of the other rooms."""
