"""Pack the paper's sources for arXiv."""

from regrok.paper.arxiv import pack
from regrok.paper.names import folder
from regrok.pipeline.script import job

with job(snakemake.log[0]):
    pack(folder(snakemake.input.pdf), snakemake.output[0], bool(snakemake.params.anonymous))
