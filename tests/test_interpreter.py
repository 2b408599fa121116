"""Snakemake starts scripts with an unquoted path to Python."""

import pytest

from regrok.errors import RegrokError
from regrok.pipeline.interpreter import startable


def test_a_plain_path_stays_as_it_is():
    assert startable("/opt/größe-λ/bin/python3.12") == "/opt/größe-λ/bin/python3.12"


@pytest.mark.parametrize("home", ["/home/ada/My Documents", "/home/ada/it's", "/home/ada/a(1)"])
def test_within_a_checkout_the_path_from_there_will_do(home):
    assert startable(f"{home}/regrok/.venv/bin/python", f"{home}/regrok") == ".venv/bin/python"


def test_an_environment_elsewhere_below_such_a_folder_is_refused():
    with pytest.raises(RegrokError, match="make install"):
        startable("/home/my user/conda/bin/python", "/srv/regrok")
