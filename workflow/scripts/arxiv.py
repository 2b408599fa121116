"""Pack the paper's sources for arXiv."""

from regrok.arxiv import pack
from regrok.jobs import job

with job(snakemake.log[0]):
    pack("paper", snakemake.output[0], bool(snakemake.params.anonymous))
