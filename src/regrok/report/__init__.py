"""The HTML report: what Snakemake's own report lists, organised by research question, and its first page.

items   which questions, figures and tables there are at a scale, and where they belong
pages   one page per item, its caption for Snakemake, and the first page with the ledger
tex     captions and tables, which are TeX, as HTML
"""
