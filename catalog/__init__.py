"""The vocabulary of byline: records, licenses, policies, packs, facts, manifests. Imports none of the other rooms."""
