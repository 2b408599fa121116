"""The site: a static folder that opens from disk and can be published as it is, after `make site`.

    source      which build, or else the released bundle, is read
    cards       what is said of each claim
    intervals   an interval over what its rule asks, as SVG
    findings    what the front page says before the ledger
    curves      every run's curves, thinned to what a screen shows
    runs        what the table of runs holds
    charts      how a run's curves are drawn, and the script that draws them
    bibtex      how to cite the audit and what it audits
    write       the folder

Pages are complete without a script, but for filters and the curves of runs. Nothing is fetched: what is too much for
a page (curves) comes by `<script src>` when it is asked for, since a browser opens no other file beside one on disk.
"""
