"""From estimates to verdicts: the rule, and the ledger."""
