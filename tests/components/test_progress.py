"""Progress goes through logging, under one name that runners can listen to."""

import logging

from components import progress


def test_update_is_one_info_record(caplog):
    caplog.set_level(logging.INFO, logger="tokenline.progress")
    progress.update("step 5 of 100%")
    assert caplog.record_tuples == [("tokenline.progress", logging.INFO, "step 5 of 100%")]
